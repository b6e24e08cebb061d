import { afterEach, describe, expect, it } from '@jest/globals';
import { DatabaseUnavailable } from '../../../src/kernel/bus/errors.ts';
import type { CommandRecord } from '../../../src/kernel/command-log/command-record.ts';
import { createRefusalTally, type Refusal } from '../../../src/kernel/command-log/refusal-tally.ts';
import { eventually } from '../../support/eventually.ts';

const refusal = (network: string, reason = 'TOKEN_MISSING'): Refusal => ({
  method: 'users.v1.CommandService/ChangeName',
  outcome: 'unauthenticated',
  code: 'UNAUTHENTICATED',
  reason,
  network,
});

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function tally({ periodMs, failing = () => false }: { periodMs?: number; failing?: () => boolean } = {}) {
  const records: CommandRecord[] = [];
  const recorder = {
    record: async (record: CommandRecord) => {
      if (failing()) throw new DatabaseUnavailable();
      records.push(record);
    },
  };
  const made = createRefusalTally({ recorder, logger: { warn: () => {} }, ...(periodMs && { periodMs }) });
  closing.push(made.close);
  const standsFor = () => records.map(({ reason, peer, request }) => [reason, peer, JSON.parse(request ?? '{}')['@refused']]);
  return { ...made, records, standsFor };
}

describe('the tally of refusals', () => {
  it('lets a hundred of one network have a record of their own, and counts the rest by kind', async () => {
    const { admit, close, records, standsFor, counted } = tally();
    const admitted = Array.from({ length: 150 }, () => admit(refusal('192.0.2.1'))).filter(Boolean);
    expect(admitted).toHaveLength(100);
    for (let n = 0; n < 7; n++) expect(admit(refusal('192.0.2.1', 'INVALID_REQUEST'))).toBe(false);
    expect(admit(refusal('192.0.2.2'))).toBe(true);
    expect(counted()).toBe(57);
    await close();
    expect(standsFor()).toEqual([
      ['TOKEN_MISSING', '192.0.2.1', 50],
      ['INVALID_REQUEST', '192.0.2.1', 7],
    ]);
    expect(records[0]).toMatchObject({ method: 'users.v1.CommandService/ChangeName', outcome: 'unauthenticated', principal: '' });
  });

  it('lets a thousand of all networks have one, and names a hundred kinds; nothing gets lost', async () => {
    const { admit, close, standsFor } = tally();
    let recorded = 0;
    for (let n = 0; n < 5000; n++) if (admit(refusal(`2001:db8:0:${(n % 2500).toString(16)}::/64`))) recorded += 1;
    expect(recorded).toBe(1000);
    await close();
    const rows = standsFor();
    expect(rows).toHaveLength(101);
    expect(rows.filter(([, peer]) => peer === '')).toEqual([['TOKEN_MISSING', '', expect.any(Number)]]);
    expect(rows.reduce((sum, [, , count]) => sum + count, recorded)).toBe(5000);
  });

  it('begins again with each period, and puts on record then what it counted', async () => {
    const { admit, standsFor } = tally({ periodMs: 50 });
    while (admit(refusal('192.0.2.1')));
    await eventually(() => expect(standsFor()).toHaveLength(1));
    expect(admit(refusal('192.0.2.1'))).toBe(true);
  });

  it('keeps counting what cannot be stored', async () => {
    let away = true;
    const { admit, close, standsFor } = tally({ periodMs: 20, failing: () => away });
    while (admit(refusal('192.0.2.1')));
    await new Promise((resolve) => setTimeout(resolve, 100));
    away = false;
    await close();
    expect(standsFor().reduce((sum, [, , count]) => sum + count, 0)).toBe(1);
  });
});
