import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService as AuditCommands } from '../../../gen/audit/v1/command_service_pb.js';
import { QueryService as AuditQueries, type Finding, type VerifyResult } from '../../../gen/audit/v1/query_service_pb.js';
import { QueryService as EventQueries } from '../../../gen/events/v1/query_service_pb.js';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import type { User } from '../../../gen/users/v1/user_pb.js';
import { startTestCluster, type TestCluster } from '../../../src/testing/service/test-cluster.ts';
import { clusterForTests } from '../../support/cluster.ts';
import { commandIdOf } from '../../support/command-id.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { countTransactions, dumpInto, nextTransaction } from '../../support/dump.ts';
import { eventually } from '../../support/eventually.ts';
import { asAdmin, logIn, PASSWORD, signUp } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

const high = clusterForTests();
/** Has counted fewer transactions than the cluster of the run. */
let low: TestCluster;
beforeAll(async () => {
  low = await startTestCluster();
  const [here, there] = [await createTestDatabase(), await createTestDatabase(low.connections)];
  // So far that the ids of the one are ids to come of the other.
  await countTransactions(here, Math.max(0, (await nextTransaction(there)) + 5_000 - (await nextTransaction(here))));
  await Promise.all([here.drop(), there.drop()]);
});
afterAll(() => low.stop());

let stack: AsyncDisposableStack;
afterEach(() => stack.disposeAsync());

/** Events in the order of the feed. */
interface Numbered {
  readonly sequence: number;
  readonly id: string;
  readonly aggregate: string;
  readonly version: number;
}

const feedOf = async ({ query }: TestDatabase): Promise<Numbered[]> =>
  (
    await query<{ sequence: string; id: string; aggregate_id: string; aggregate_version: number }>(
      'select sequence, id, aggregate_id, aggregate_version from cqrs.feed join cqrs.event using (position) order by sequence',
    )
  ).map((row) => ({
    sequence: Number(row.sequence),
    id: row.id,
    aggregate: row.aggregate_id,
    version: row.aggregate_version,
  }));

async function eventsOf({ query }: TestDatabase): Promise<number> {
  const [row] = await query<{ events: string }>('select count(*) as events from cqrs.event');
  return Number(row?.events);
}

/** Each event has one number, without gaps, and each aggregate's are in the order of its versions. */
async function expectNumbered(database: TestDatabase): Promise<void> {
  await eventually(async () => expect(await feedOf(database)).toHaveLength(await eventsOf(database)));
  const feed = await feedOf(database);
  expect(feed.map(({ sequence }) => sequence)).toEqual(feed.map((_, index) => index + 1));
  expect(new Set(feed.map(({ id }) => id)).size).toBe(feed.length);
  const versions = Map.groupBy(feed, ({ aggregate }) => aggregate);
  for (const of of versions.values()) {
    const numbers = of.map(({ version }) => version);
    expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
  }
  await eventually(() => expectCaughtUp(database));
}

/** Whoever follows the feed has come to its end. */
async function expectCaughtUp({ query }: TestDatabase): Promise<void> {
  expect(await query('select name from cqrs.processor where checkpoint < (select last_sequence from cqrs.sequencer)')).toEqual(
    [],
  );
}

const UNSEALED = `select from cqrs.command_log as record
  where not exists (select from cqrs.command_seal as seal where seal.command_id = record.command_id)`;

async function verified(app: TestApp): Promise<{ findings: Finding[]; result: VerifyResult | undefined }> {
  await eventually(async () => expect(await app.database.query(UNSEALED)).toEqual([]));
  const findings: Finding[] = [];
  let result: VerifyResult | undefined;
  for await (const { event } of app.client(AuditQueries, { roles: ['auditor'] }).verifyIntegrity({})) {
    if (event.case === 'finding') findings.push(event.value);
    if (event.case === 'result') result = event.value;
  }
  return { findings, result };
}

describe.each([
  { ids: 'lower', from: () => high, to: () => low.connections },
  { ids: 'higher', from: () => low.connections, to: () => high },
])('a dump taken under load, and restored into a cluster with $ids transaction ids', ({ from, to }) => {
  it('has everything that it showed, and the service goes on with it as if nothing had been', async () => {
    stack = new AsyncDisposableStack();
    const before = await startTestApp({ on: await createTestDatabase(from()) });
    stack.defer(() => before.stop());
    const people = await Promise.all(Array.from({ length: 5 }, () => signUp(before)));
    const [first, suspended] = people as [User, User];
    const token = await logIn(before, first);
    await asAdmin(before).suspendUser({ userId: suspended.id, reason: 'to be seen later' });
    const once = { headers: { 'idempotency-key': 'before-the-dump' } };
    const renaming = { userId: first.id, name: 'Ada of the dump' };
    const commandId = await commandIdOf((onHeader) => asAdmin(before).changeName(renaming, { ...once, onHeader }));

    // Events without numbers, records without seals, commands under way: all of that is in the dump.
    let isOver = false;
    const load = people.slice(2).map(async ({ id }, user) => {
      for (let n = 0; !isOver; n += 1) await asAdmin(before).changeName({ userId: id, name: `Name ${user} ${n}` });
    });
    await eventually(async () => expect(await eventsOf(before.database)).toBeGreaterThan(100));
    const restored = await dumpInto(to(), before.database);
    stack.defer(() => restored.drop());
    isOver = true;
    await Promise.all(load);
    const numbersOfDump = await feedOf(restored);
    const eventsOfDump = await eventsOf(restored);

    const { owner, writer, replicas } = restored.connections;
    const config = { ...before.config, database: { kind: 'external', owner, writer, replicas } } as const;
    const after = await startTestApp({ beside: { ...before, database: restored, config } });
    stack.defer(() => after.stop());
    await expectNumbered(restored);
    const numbers = await feedOf(restored);
    expect(numbers.slice(0, numbersOfDump.length)).toEqual(numbersOfDump);
    expect(numbers).toHaveLength(eventsOfDump);

    // Users, sessions, passwords, and keys that were used.
    const asCaller = after.client(QueryService, { token });
    expect(await asCaller.getUser({ userId: first.id })).toMatchObject({ user: { name: 'Ada of the dump' } });
    const again = await commandIdOf((onHeader) => asAdmin(after).changeName(renaming, { ...once, onHeader }));
    expect(again).toBe(commandId);
    await expect(logIn(after, suspended)).rejects.toThrow();
    expect(await logIn(after, first, PASSWORD)).toBeTruthy();
    for (const { id } of people) {
      const { user } = await after.client(QueryService, { roles: ['admin'] }).getUser({ userId: id });
      const ofUser = numbers.filter(({ aggregate }) => aggregate === id);
      expect(Number(user?.version)).toBeGreaterThanOrEqual(ofUser.at(-1)?.version ?? 0);
    }

    // Commands, numbers and seals go on, also when the cluster comes to the ids of the one before.
    for (const round of [1, 2]) {
      await Promise.all(
        people.slice(2).map(({ id }, user) => asAdmin(after).changeName({ userId: id, name: `After ${user} ${round}` })),
      );
      await signUp(after);
      await expectNumbered(restored);
      const { findings, result } = await verified(after);
      expect(findings).toEqual([]);
      expect(result?.restores).toHaveLength(1);
      await countTransactions(restored, Math.max(0, 6_000 - 3_000 * round));
    }
    const { events, throughSequence } = await after
      .client(EventQueries, { roles: ['admin'] })
      .listEvents({ afterSequence: BigInt(eventsOfDump), pageSize: 1000 });
    expect(events.map(({ sequence }) => Number(sequence))).toEqual(events.map((_, index) => eventsOfDump + index + 1));
    expect(Number(throughSequence)).toBe(await eventsOf(restored));

    // A command from before the dump is run again.
    const { differences } = await after.client(AuditCommands, { roles: ['auditor'] }).replayCommand({ commandId });
    expect(differences.map(({ aspect }) => aspect)).not.toContain('outcome');
  });
});
