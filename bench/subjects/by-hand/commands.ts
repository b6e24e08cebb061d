import { hash as digest, randomUUIDv7 } from 'node:crypto';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { hash } from '@node-rs/argon2';
import type pg from 'pg';
import type {
  ChangeNameRequest,
  ChangeNameResponseSchema,
  CreateUserRequest,
  CreateUserResponseSchema,
} from '../../../gen/users/v1/command_service_pb.js';
import { UserCreatedSchema, UserNameChangedSchema } from '../../../gen/users/v1/events_pb.js';
import { foldedText, sortedText } from '../../../src/kernel/bus/folded-text.ts';
import { HASHING } from '../../load/hashing.ts';
import { FIND_EMAIL, FIND_USER, INSERT_USER, UPDATE_NAME } from './statements.ts';
import { toUser, type UserRow } from './user-message.ts';

/** The commands that are measured, by hand: the service's statements in one transaction. */
export interface CommandsByHand {
  readonly changeName: (request: ChangeNameRequest) => Promise<MessageInitShape<typeof ChangeNameResponseSchema>>;
  readonly createUser: (request: CreateUserRequest) => Promise<MessageInitShape<typeof CreateUserResponseSchema>>;
}

type WrittenRow = UserRow & { readonly writes: number };

/** Another command changed the user in between. */
class Overtaken extends Error {}

const ATTEMPTS = 100;

/** `notFound` makes the error of the server that the commands are used in. */
export function commandsByHand(primary: pg.Pool, notFound: () => Error): CommandsByHand {
  const changeOnce = ({ userId, name }: ChangeNameRequest): Promise<UserRow> =>
    transaction(primary, async (client) => {
      const { rows } = await client.query<WrittenRow>({ ...FIND_USER, values: [userId] });
      const [found] = rows;
      if (!found) throw notFound();
      const changed: UserRow = { ...found, name, updated_at: new Date(), version: found.version + 1 };
      const personal = toBinary(UserNameChangedSchema, create(UserNameChangedSchema, { name }));
      const event = eventValues({ user: changed, type: UserNameChangedSchema.typeName, personal });
      const row = [name, changed.updated_at.toISOString(), changed.version, userId, found.writes];
      const record = recordValues({
        method: 'ChangeName',
        request: { userId },
        personal: { name },
        versionBefore: found.version,
      });
      const written = await client.query<{ written: number }>({
        ...UPDATE_NAME,
        values: [...event, ...record, textsOf(changed), ...row],
      });
      if (written.rows[0]?.written !== 1) throw new Overtaken();
      return changed;
    });

  return {
    async changeName(request) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return { user: toUser(await changeOnce(request)) };
        } catch (error) {
          if (!(error instanceof Overtaken) || attempt === ATTEMPTS) throw error;
        }
      }
    },

    async createUser({ email, name, password }) {
      const passwordHash = await hash(password, HASHING);
      const now = new Date();
      const times = { created_at: now, updated_at: now, last_login_at: null };
      const user: UserRow = { id: randomUUIDv7(), email, name, status: 'active', roles: [], ...times, version: 1 };
      await transaction(primary, async (client) => {
        const { rowCount } = await client.query({ ...FIND_EMAIL, values: [email] });
        if (rowCount !== 0) throw new Error('the e-mail is taken');
        const personal = toBinary(UserCreatedSchema, create(UserCreatedSchema, { email, name }));
        const event = eventValues({ user, type: UserCreatedSchema.typeName, personal });
        const record = recordValues({ method: 'CreateUser', request: {}, personal: { email, name }, versionBefore: null });
        const row = [user.id, email, name, passwordHash, now.toISOString()];
        await client.query({ ...INSERT_USER, values: [...event, ...record, textsOf(user), ...row] });
      });
      return { user: toUser(user) };
    },
  };
}

const textsOf = ({ name, email }: UserRow): string[] => [sortedText(name), `${foldedText(name)}\n${foldedText(email)}`];

async function transaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

function eventValues({ user, type, personal }: { user: UserRow; type: string; personal: Uint8Array }): unknown[] {
  return [
    'users.v1.User',
    user.version,
    randomUUIDv7(),
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    user.updated_at.toISOString(),
    [randomUUIDv7()],
    [type],
    [Buffer.alloc(0)],
    [Buffer.from(personal)],
  ];
}

function recordValues(command: { method: string; request: object; personal: object; versionBefore: number | null }): unknown[] {
  const personal = JSON.stringify({ salt: 'AAAAAAAAAAAAAAAAAAAAAA==', fields: command.personal });
  return [
    `users.v1.CommandService/${command.method}`,
    'operator',
    ['admin'],
    JSON.stringify(command.request),
    personal,
    // The verification of the log compares it.
    digest('sha256', personal, 'buffer'),
    command.versionBefore,
    1,
    1_000,
    '0af7651916cd43dd8448eb211c80319c',
    '127.0.0.1:50051',
    'h2load',
  ];
}
