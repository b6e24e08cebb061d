import { describe, expect, it } from '@jest/globals';
import { OutageLog } from '../../../src/kernel/background/outage-log.ts';

const full = Object.assign(new Error('could not extend file'), { code: '53100' });

describe('the log of outages', () => {
  it('has one line when calls begin to fail, with what the database said, and one when they work again', () => {
    const lines: unknown[] = [];
    const log = (fields: unknown, message?: string) => void lines.push([message, fields]);
    const outages = new OutageLog('commands', { error: log, info: log });
    outages.worked();
    for (let call = 0; call < 29; call += 1) outages.failed(full);
    for (let call = 0; call < 3; call += 1) outages.worked();
    outages.failed(full);
    expect(lines).toEqual([
      ['the database fails commands', { err: full, code: '53100' }],
      ['commands work again', { failed: 29 }],
      ['the database fails commands', { err: full, code: '53100' }],
    ]);
  });
});
