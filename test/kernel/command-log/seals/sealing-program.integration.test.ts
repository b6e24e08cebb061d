import { expect, it } from '@jest/globals';
import { loadSigningKey } from '../../../../src/kernel/auth/key-files.ts';
import { insertRecords } from '../../../support/command-log.ts';
import { eventually } from '../../../support/eventually.ts';
import { startTestApp } from '../../../support/test-app.ts';

it('the program seals the log, also on two instances, with the key of the installation', async () => {
  const app = await startTestApp();
  const beside = await startTestApp({ beside: app });
  try {
    await insertRecords(app.database, 20);
    await eventually(async () => {
      const [row] = await app.database.query('select count(*)::int, max(sequence)::int from cqrs.command_seal');
      expect(row?.count).toBeGreaterThanOrEqual(20);
      expect(row?.max).toBe(row?.count);
    });
    const { publicJwk } = await loadSigningKey(app.keyFile);
    const keys = await app.database.query('select distinct key_id from cqrs.command_seal_batch');
    expect(keys).toEqual([{ key_id: publicJwk.kid }]);
    expect(app.log() + beside.log()).not.toContain('cannot be sealed');
  } finally {
    await beside.stop();
    await app.stop();
  }
});
