import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { CommandService } from '#gen/audit/v1/command_service_pb.js';
import { FindingKind, type Head, QueryService, type VerifyIntegrityResponse } from '#gen/audit/v1/query_service_pb.js';
import { type AuditService, startAuditService } from '../../support/audit-service.ts';
import { insertRecords, sealRecords } from '../../support/command-log.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { refusalOf } from '../../support/errors.ts';
import { eventually } from '../../support/eventually.ts';

describe('the seals of the log', () => {
  let database: TestDatabase;
  let service: AuditService;
  beforeEach(async () => {
    database = await createTestDatabase();
    service = await startAuditService(database);
  });
  afterEach(async () => {
    await service[Symbol.asyncDispose]();
    await database.drop();
  });

  const record = async (count: number, receivedAt = new Date()): Promise<string[]> => {
    const ids = await insertRecords(database, count, { receivedAt });
    await sealRecords(service, count);
    return ids;
  };
  const verify = (expectedHead?: Head): Promise<VerifyIntegrityResponse[]> =>
    Array.fromAsync(service.client(QueryService).verifyIntegrity(expectedHead ? { expectedHead } : {}));
  /** From a replica, which follows the primary a moment later. */
  const headAt = async (sequence: bigint): Promise<Head> => {
    let head: Head | undefined;
    await eventually(async () => {
      head = (await service.client(QueryService).getHead({})).head;
      expect(head?.sequence).toBe(sequence);
    });
    if (!head) throw new Error('there is no head');
    return head;
  };
  const prune = (before: string) => service.client(CommandService).pruneCommands({ before: timestampFromDate(new Date(before)) });

  describe('GetHead', () => {
    it('answers the newest batch, and nothing before there is one', async () => {
      expect((await service.client(QueryService).getHead({})).head).toBeUndefined();
      await record(3);
      const head = await headAt(3n);
      expect(head).toMatchObject({ batch: 1n, sequence: 3n, keyId: service.key.publicJwk.kid });
      expect([head.hash.length, head.signature.length]).toEqual([32, 64]);
      expect(Math.abs(Number(head.sealedAt?.seconds) - Date.now() / 1000)).toBeLessThan(60);
    });
  });

  describe('VerifyIntegrity', () => {
    it('tells how far it is, and at the end what it has compared and the head', async () => {
      await record(3);
      const events = await verify();
      expect(events.map(({ event }) => event.case)).toEqual(['progress', 'progress', 'result']);
      expect(events.at(-1)?.event).toMatchObject({ value: { verified: 3n, pruned: 0n, findings: 0n, head: await headAt(3n) } });
    });

    it('tells each damage', async () => {
      const [, id] = await record(3);
      await database.query(`update cqrs.command_log set reason = 'X' where command_id = $1`, [id]);
      const found = (await verify()).flatMap(({ event }) => (event.case === 'finding' ? [event.value] : []));
      expect(found).toMatchObject([{ kind: FindingKind.CHANGED, commandId: id, sequence: 2n, batch: 1n }]);
    });

    it('compares with a head that was kept', async () => {
      await record(3);
      const head = await headAt(3n);
      expect((await verify(head)).map(({ event }) => event.case)).not.toContain('finding');
      await database.query('truncate cqrs.command_log, cqrs.command_seal, cqrs.command_seal_batch');
      const found = (await verify(head)).flatMap(({ event }) => (event.case === 'finding' ? [event.value.kind] : []));
      expect(found).toEqual([FindingKind.TRUNCATED]);
    });

    it('runs twice at once and no more, and again when one has ended', async () => {
      await record(3);
      const [first, second] = [new AbortController(), new AbortController()];
      for (const { signal } of [first, second]) {
        const events = service.client(QueryService).verifyIntegrity({}, { signal });
        await events[Symbol.asyncIterator]().next();
      }
      expect(await refusalOf(verify())).toMatchObject({ code: 'ResourceExhausted', reason: 'OVERLOADED' });
      first.abort();
      await eventually(async () => expect((await verify()).at(-1)?.event.case).toBe('result'));
      second.abort();
    });
  });

  describe('PruneCommands', () => {
    beforeEach(async () => {
      const owner = new pg.Client(database.connections.owner);
      await owner.connect();
      await owner.query(
        `create table cqrs.command_log_2020_01 partition of cqrs.command_log for values from ('2020-01-01Z') to ('2020-02-01Z')`,
      );
      await owner.end();
    });

    it('removes what has ended, and the rest is still whole', async () => {
      await record(2, new Date('2020-01-05'));
      await record(1);
      expect(await prune('2020-02-01')).toMatchObject({ months: ['2020-01'], records: 2n });
      expect((await verify()).at(-1)?.event.value).toMatchObject({ verified: 1n, pruned: 2n, findings: 0n });
    });

    it('refuses what is not sealed, and names the month', async () => {
      await insertRecords(database, 1, { receivedAt: new Date('2020-01-05') });
      expect(await refusalOf(prune('2020-02-01'))).toEqual({
        code: 'FailedPrecondition',
        reason: 'RANGE_NOT_SEALED',
        metadata: { month: '2020-01' },
        fields: [],
      });
    });

    it('tries again while somebody reads the log', async () => {
      await record(1, new Date('2020-01-05'));
      const slow = new pg.Client(database.connections.reader);
      await slow.connect();
      await slow.query('begin; select count(*) from cqrs.command_log');
      const pruning = prune('2020-02-01');
      await new Promise((resolve) => setTimeout(resolve, 400));
      await slow.query('commit');
      expect(await pruning).toMatchObject({ months: ['2020-01'] });
      await slow.end();
    });
  });
});
