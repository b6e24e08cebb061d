import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { User } from '#gen/users/v1/user_pb.js';
import type { Caller } from '../support/callers.ts';
import { PASSWORD } from '../support/people.ts';
import { type Repeated, repeated } from '../support/repeated.ts';

/** What the service acknowledged: a user as it answered it. */
type Acknowledged = Pick<User, 'id' | 'version' | 'name' | 'email' | 'roles'>;

/** Commands from several callers at once, and what the service has acknowledged of them. */
export class AcknowledgedCommands {
  readonly all: Acknowledged[] = [];

  /** Each caller signs users up and changes them, one command after the other; it leaves a user when a command fails. */
  callWith({ commands }: Pick<Caller, 'commands'>): Repeated {
    const acknowledged = async (call: Promise<{ user?: User | undefined }>): Promise<User> => {
      const { user } = await call;
      if (!user) throw new Error('the answer has no user');
      this.all.push(user);
      return user;
    };
    return repeated(12, async (isOver) => {
      const email = `${randomUUID()}@example.org`;
      let user = await acknowledged(commands.createUser({ email, name: 'New', password: PASSWORD }));
      for (let change = 0; change < 10 && !isOver(); change += 1) {
        const { id: userId, roles } = user;
        const role = 'auditor';
        if (change % 3 > 0) user = await acknowledged(commands.changeName({ userId, name: `Name ${randomUUID()}` }));
        else if (roles.includes(role)) user = await acknowledged(commands.revokeRole({ userId, role }));
        else user = await acknowledged(commands.grantRole({ userId, role }));
      }
    });
  }

  /** What was acknowledged and is not in the database: the user at that version or a later one, and the event. */
  async missingFrom(database: pg.ClientBase): Promise<unknown[]> {
    const { rows } = await database.query(
      `select acknowledged.* from unnest($1::uuid[], $2::integer[], $3::text[], $4::text[]) as acknowledged (id, version, name, email)
       where not exists (select from cqrs.event e where e.aggregate_id = acknowledged.id and e.aggregate_version = acknowledged.version)
         or not exists (
           select from users."user" u where u.id = acknowledged.id and u.email = acknowledged.email
             and (u.version > acknowledged.version or (u.version = acknowledged.version and u.name = acknowledged.name)))`,
      [
        this.all.map(({ id }) => id),
        this.all.map(({ version }) => Number(version)),
        this.all.map(({ name }) => name),
        this.all.map(({ email }) => email),
      ],
    );
    return rows;
  }
}

/** Users of whom one table knows more than another: the row, the read model and the events are written together or not at all. */
export async function halfWritten(database: pg.ClientBase): Promise<unknown[]> {
  const { rows } = await database.query(
    `with history as (
       select aggregate_id as id, max(aggregate_version) as version, count(distinct aggregate_version) as versions,
         count(distinct command_id) as commands
       from cqrs.event where type <> 'users.v1.UserLoggedIn' group by aggregate_id)
     select id, u.version as row, d.version as read_model, h.version as event, h.versions, h.commands
     from users."user" u full join read.user_directory d using (id) full join history h using (id)
     where (u.version, u.version, u.name, u.email, u.status, u.roles)
         is distinct from (d.version, h.version, d.name, d.email, d.status, d.roles)
       or h.versions is distinct from h.version or h.commands is distinct from h.version`,
  );
  return rows;
}

/** The embedded database of a service, as the one who may do everything. */
export async function connectTo(dataDir: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ host: `${dataDir}/postgres/sockets`, port: 5432, user: 'postgres', database: 'bicameral' });
  client.on('error', () => {});
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}
