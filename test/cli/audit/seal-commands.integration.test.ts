import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sealRound } from '../../../src/kernel/command-log/seals/seal-round.ts';
import { type AuditService, startAuditService } from '../../support/audit-service.ts';
import { run } from '../../support/command-line.ts';
import { insertRecords, sealElsewhere, sealRecords } from '../../support/command-log.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';

describe('bicameral audit', () => {
  let database: TestDatabase;
  let service: AuditService;
  let folder: string;
  let ids: string[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bicameral-heads-'));
    database = await createTestDatabase();
    service = await startAuditService(database);
    ids = await insertRecords(database, 4);
    await sealRecords(service, 4);
  });
  afterEach(async () => {
    await service[Symbol.asyncDispose]();
    await database.drop();
    await rm(folder, { recursive: true });
  });

  const audit = (...command: string[]) => run(['audit', ...command], { ...service.environment });

  /** The head, once the replica has it. */
  async function keepHead(): Promise<string> {
    const file = join(folder, 'head.json');
    await eventually(async () => {
      const { code, stdout } = await audit('head');
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ batch: '1', sequence: '4', keyId: service.key.publicJwk.kid });
      await writeFile(file, stdout);
    });
    return file;
  }

  it('verify says that the log is whole, compared with a head that was kept', async () => {
    const { code, stdout, stderr } = await audit('verify', '--head', await keepHead());
    expect(stdout).toBe(
      'The log is whole: 4 records compared with their seals, 0 pruned, and the head that was kept. The log ends at sequence 4, batch 1.\n' +
        `Sealed with the key ${service.key.publicJwk.kid}: batch 1.\n`,
    );
    expect(stderr).toBe('…   0 %  0 of 4 records\n… 100 %  4 of 4 records\n');
    expect(code).toBe(0);
  });

  it('verify shows damage in a table and exits with 1', async () => {
    await database.query(`update cqrs.command_log set reason = 'X' where command_id = $1`, [ids[2]]);
    await database.query('delete from cqrs.command_log where command_id = $1', [ids[0]]);
    const { code, stdout } = await audit('verify');
    expect(stdout.split('\n')).toEqual([
      'DAMAGE   SEQUENCE  BATCH  COMMAND                               WHAT IS WRONG',
      `REMOVED  1         1      ${ids[0]}  the record is gone, and was not pruned`,
      `CHANGED  3         1      ${ids[2]}  a field of the record is not what was sealed`,
      '',
      'The log is damaged in 2 places: 3 records compared with their seals, 0 pruned. The log ends at sequence 4, batch 1.',
      `Sealed with the key ${service.key.publicJwk.kid}: batch 1.`,
      '',
    ]);
    expect(code).toBe(1);
  });

  it('verify prints JSON for programs', async () => {
    await database.query('delete from cqrs.command_log where command_id = $1', [ids[0]]);
    const { code, stdout } = await audit('verify', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      findings: [{ kind: 'FINDING_KIND_REMOVED', commandId: ids[0], sequence: '1', batch: '1' }],
      result: { verified: '3', pruned: '0', findings: '1', head: { sequence: '4' } },
    });
    expect(code).toBe(1);
  });

  it.each([
    { unsealed: 0, said: 'all records had a seal then' },
    { unsealed: 1, said: '1 record had no seal then and has one since (sequence 5)' },
    { unsealed: 2, said: '2 records had no seal then and have one since (sequences 5 to 6)' },
  ])('verify tells of a restore into another cluster, with $unsealed records that had no seal', async ({ unsealed, said }) => {
    await sealElsewhere(service, database);
    if (unsealed > 0) await insertRecords(database, unsealed);
    await eventually(async () => {
      await sealRound({ ...service, now: () => Date.UTC(2026, 0, 2) });
      const [row] = await database.query('select from cqrs.command_seal_batch where first_sequence > last_sequence');
      expect(row).toBeDefined();
    });
    const { code, stdout } = await audit('verify');
    expect(stdout).toContain(`The log is whole: ${4 + unsealed} records compared with their seals`);
    expect(stdout).toContain(
      `Restored into another cluster at 2026-01-02T00:00:00.000Z, behind sequence 4 (batch 2): ${said}.\n`,
    );
    expect(code).toBe(0);
    const { stdout: json } = await audit('verify', '--json');
    expect(JSON.parse(json).result.restores).toEqual([
      { batch: '2', sequence: '4', restoredAt: '2026-01-02T00:00:00Z', unsealedRecords: `${unsealed}` },
    ]);
  });

  it('verify finds that the end was cut off since the head was kept', async () => {
    const file = await keepHead();
    await database.query('truncate cqrs.command_log, cqrs.command_seal, cqrs.command_seal_batch');
    const { code, stdout } = await audit('verify', '--head', file);
    expect(stdout).toMatch(/^TRUNCATED +4 +1 +- /m);
    expect(code).toBe(1);
    expect((await audit('verify')).code).toBe(0);
  });

  it('verify refuses a file that holds no head', async () => {
    const file = join(folder, 'not-a-head.json');
    await writeFile(file, '{"batch":');
    const { code, stderr } = await audit('verify', '--head', file);
    expect(code).toBe(1);
    expect(stderr).toContain(`--head: ${file} is not what \`bicameral audit head\` prints`);
  });

  it('head says when there is none', async () => {
    await database.query('truncate cqrs.command_log, cqrs.command_seal, cqrs.command_seal_batch');
    await eventually(async () => {
      const { code, stderr } = await audit('head');
      expect([code, stderr]).toEqual([1, 'The log has no head: nothing is sealed yet.\n']);
    });
  });

  it('prune says what it removed', async () => {
    expect(await audit('prune', '--before', '2020-02-01')).toMatchObject({
      code: 0,
      stdout: 'No month of the log ends before that time.\n',
    });
    expect(await audit('prune', '--before', '2020-02-01', '--json')).toMatchObject({ stdout: '{"months":[],"records":0}\n' });
    expect(await audit('prune', '--before', 'yesterday')).toMatchObject({ code: 1 });
    expect((await audit('prune')).stderr).toContain(`required option '--before <time>'`);
  });
});
