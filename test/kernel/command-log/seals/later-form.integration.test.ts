import { expect, it, jest } from '@jest/globals';
import * as columns from '../../../../src/kernel/command-log/record-columns.ts';
import { createPool } from '../../../../src/kernel/database/pool.ts';
import { createTestDatabase } from '../../../support/database.ts';

/** A column that there is in this file only, as the next version would have it: in the next form. */
const NEXT_FORM = 1 + Math.max(...Object.values<columns.RecordColumn>(columns.RECORD_COLUMNS).map(({ since = 0 }) => since));
const later = { ...columns.RECORD_COLUMNS, region: { type: 'text', nullable: true, since: NEXT_FORM, of: 'region' } };

it('records sealed before and after a column came verify, and each is sealed with the columns of its form', async () => {
  const database = await createTestDatabase();
  const pool = createPool(database.connections.writer, { name: 'sealer', max: 1, readOnly: false });
  try {
    const now = await import('../../../support/command-log.ts');
    const key = await now.testKey();
    await now.insertRecords(database, 3);
    await now.sealRecords({ pool, key }, 3);

    jest.resetModules();
    jest.unstable_mockModule('../../../../src/kernel/command-log/record-columns.ts', () => ({
      ...columns,
      RECORD_COLUMNS: later,
    }));
    const next = await import('../../../support/command-log.ts');
    const { verifyLog } = await import('../../../../src/kernel/command-log/seals/verify/verify-log.ts');
    await database.query('alter table cqrs.command_log add column region text');
    const findings = async (): Promise<string[]> => {
      const events = await Array.fromAsync(verifyLog({ pool, keys: next.ringOf(key) }));
      return events.flatMap((event) => {
        if (event.kind === 'result') return [`${event.verified} verified`];
        return event.kind === 'finding' ? [`${event.finding.kind} ${event.finding.sequence}`] : [];
      });
    };
    expect(await findings()).toEqual(['3 verified']);

    const [id] = await next.insertRecords(database, 2);
    await database.query(`update cqrs.command_log set region = 'north' where command_id = $1`, [id]);
    await next.sealRecords({ pool, key }, 2);
    const forms = await database.query<{ form: number }>('select form from cqrs.command_seal_batch order by number');
    expect(forms.map(({ form }) => form)).toEqual([NEXT_FORM - 1, NEXT_FORM]);
    expect(await findings()).toEqual(['5 verified']);

    await database.query(`update cqrs.command_log set region = 'south' where command_id = $1`, [id]);
    await database.query(`update cqrs.command_log set region = 'south' where position = 2`);
    expect(await findings()).toEqual(['CHANGED 2', 'CHANGED 4', '5 verified']);
  } finally {
    await pool.close();
    await database.drop();
  }
});
