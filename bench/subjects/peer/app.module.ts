import { MikroOrmModule } from '@mikro-orm/nestjs';
import { PostgreSqlDriver } from '@mikro-orm/postgresql';
import { Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { UsersModule } from './users/users.module.js';

/** As many connections to each database as the other subjects have. */
const pool = { min: 10, max: 10 };

/** MikroORM's own parser of URLs knows no Unix-domain sockets. */
function connectionTo(url = ''): { host: string; port: number; user: string } {
  const { searchParams } = new URL(url);
  const [host = '', port = '', user = ''] = ['host', 'port', 'user'].map((name) => searchParams.get(name) ?? '');
  return { host, port: Number(port), user };
}

@Module({
  imports: [
    CqrsModule.forRoot(),
    MikroOrmModule.forRoot({
      driver: PostgreSqlDriver,
      dbName: 'bicameral',
      ...connectionTo(process.env.DATABASE_URL),
      pool,
      replicas: [{ name: 'replica-1', ...connectionTo(process.env.DATABASE_REPLICA_URLS), pool }],
      autoLoadEntities: true,
    }),
    UsersModule,
  ],
})
export class AppModule {}
