import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { expect, it } from '@jest/globals';
import pg from 'pg';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { Answer } from '../../../src/kernel/bus/answer.ts';
import { CommandAttempt } from '../../../src/kernel/command-log/command-attempt.ts';
import type { CommittedState } from '../../../src/kernel/database/write/committed-state.ts';
import { createWriteSide, type WriteSide } from '../../../src/kernel/database/write/write-side.ts';
import { User } from '../../../src/modules/users/domain/user.ts';
import { UserType } from '../../../src/modules/users/persistence/user-type.ts';
import { startForTest } from '../../embedded-postgres/cluster-harness.ts';
import { createTestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';
import { temporaryDataDir } from '../../support/temporary-data-dir.ts';
import { callTo } from '../middleware/test-call.ts';

/** A replica that delays has applied everything of a transaction but its commit record. */
it('what a command is told of its commit lies behind the commit record, not before it', async () => {
  await using dataDir = temporaryDataDir();
  await using cluster = await startForTest({ dataDir: dataDir.path });
  const [connection] = cluster.connections.replicas;
  await using stack = new AsyncDisposableStack();
  const database = await createTestDatabase(cluster.connections);
  stack.defer(database.drop);
  const side = await createWriteSide(database.connections.writer, [UserType], {
    poolSize: 1,
    ownerDigest: () => Buffer.alloc(0),
  });
  stack.defer(side.close);
  // The first COMMIT of a connection asks for more than the others.
  await signUp(side, 'before');

  const replica = new pg.Client({ ...connection, user: cluster.connections.superuser.user });
  await replica.connect();
  stack.defer(() => replica.end());
  const ask = async (text: string): Promise<Record<string, string>> => (await replica.query(text)).rows[0];
  const applied = async (): Promise<bigint> =>
    BigInt((await ask(`select pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') as at`)).at ?? 0);
  const [primary] = await database.query<{ at: string }>('select pg_current_wal_flush_lsn() as at');
  await eventually(async () =>
    expect(await ask(`select pg_last_wal_replay_lsn() >= '${primary?.at}' as reached`)).toEqual({ reached: true }),
  );
  await replica.query(`alter system set recovery_min_apply_delay = '1d'`);
  await replica.query('select pg_reload_conf()');
  await eventually(async () => expect(await ask('show recovery_min_apply_delay')).toEqual({ recovery_min_apply_delay: '1d' }));

  const { lsn } = await signUp(side, 'delayed');
  const startup = `select wait_event from pg_stat_activity where backend_type = 'startup'`;
  await eventually(async () => expect(await ask(startup)).toEqual({ wait_event: 'RecoveryApplyDelay' }));
  expect(await applied()).toBeLessThan(lsn);

  await replica.query('alter system reset recovery_min_apply_delay');
  await replica.query('select pg_reload_conf()');
  await eventually(async () => expect(await applied()).toBeGreaterThanOrEqual(lsn));
});

async function signUp(side: WriteSide, name: string): Promise<Exclude<CommittedState, Error>> {
  const call = callTo(CommandService.method.createUser);
  const work = side.unitOfWork(call, 1);
  const email = `${name}@example.org`;
  work.add(UserType, User.create({ id: randomUUID(), email, name, passwordHash: '', at: new Date() }));
  const ending = new CommandAttempt(call, { dryRun: false }).ending(new Answer(call.method, create(call.method.output)));
  const state = await work.commit(ending);
  if (Error.isError(state)) throw state;
  return state;
}
