import { Migration } from '@mikro-orm/migrations';

/** Orders can be paid. */
export class Migration20261201100000PaidOrders extends Migration {
  override up(): void {
    this.addSql('alter table orders."order" drop constraint order_status_check');
    this.addSql(`alter table orders."order" add constraint order_status_check check (status in ('placed', 'paid', 'cancelled'))`);
  }
}
