import { describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { CommitQuery } from '../../../src/kernel/database/commit-query.ts';

const SYSTEM = '7412345678901234567';

/** A connection whose messages are kept, and what its server says to them. */
function connection() {
  const client = {} as pg.ClientBase;
  const sent: string[] = [];
  const stream = { cork: () => sent.push('cork'), uncork: () => sent.push('uncork') };
  const wire = {
    stream,
    close: ({ name }: { name: string }) => sent.push(`close ${name}`),
    parse: ({ name, text }: { name: string; text: string }) => sent.push(`parse ${name || '-'}: ${text.split(' ', 2).join(' ')}`),
    bind: ({ statement }: { statement: string }) => sent.push(`bind ${statement || '-'}`),
    execute: () => sent.push('execute'),
    sync: () => sent.push('sync'),
  };
  return {
    send(): { query: CommitQuery; messages: string[] } {
      sent.length = 0;
      const query = new CommitQuery(client);
      query.submit(wire as unknown as pg.Connection);
      expect([sent.shift(), sent.pop()]).toEqual(['cork', 'uncork']);
      return { query, messages: [...sent] };
    },
  };
}

function answer(query: CommitQuery, fields: readonly (string | null)[], command = 'COMMIT'): void {
  query.handleCommandComplete({ text: command });
  query.handleDataRow({ fields });
  query.handleCommandComplete({ text: 'SELECT 1' });
  query.handleReadyForQuery();
}

describe('a COMMIT', () => {
  it('goes before the question where the log is, under one Sync, and both are prepared once a connection', async () => {
    const { send } = connection();
    const first = send();
    const question = 'parse -: select pg_current_wal_flush_lsn()';
    expect(first.messages).toEqual(['parse -: commit', 'bind -', 'execute', question, 'bind -', 'execute', 'sync']);
    answer(first.query, ['1/A0', '0000000B', SYSTEM]);
    const place = { systemIdentifier: BigInt(SYSTEM), timeline: 11, lsn: 0x1_0000_00a0n };
    expect(await first.query.done).toEqual({ command: 'COMMIT', place });

    const bound = ['bind commit', 'execute', 'bind log place', 'execute', 'sync'];
    const second = send();
    expect(second.messages.filter((message) => !/^(close|parse)/.test(message))).toEqual(bound);
    expect(second.messages[0]).toBe('close commit');
    answer(second.query, ['1/B0', '0000000B']);
    expect(await second.query.done).toEqual({ command: 'COMMIT', place: { ...place, lsn: 0x1_0000_00b0n } });
    expect(send().messages).toEqual(bound);
  });

  it('stands when the question fails', async () => {
    const { query } = connection().send();
    query.handleCommandComplete({ text: 'COMMIT' });
    const error = new Error('permission denied for function pg_walfile_name');
    query.handleError(error);
    expect(await query.done).toEqual({ command: 'COMMIT', place: error });
  });

  it.each([[[null, null, null]], [['no place', '0000000B', SYSTEM]], [['1/A0', '0000000B', 'no number']]])(
    'stands when the question has no answer that can be read: %j',
    async (fields) => {
      const { query } = connection().send();
      answer(query, fields);
      expect(await query.done).toEqual({ command: 'COMMIT', place: expect.any(Error) });
    },
  );

  it('that failed is no commit', async () => {
    const { query } = connection().send();
    const error = new Error('could not serialize access');
    query.handleError(error);
    await expect(query.done).rejects.toBe(error);
  });

  it('of a transaction in which a statement had failed says that it was rolled back', async () => {
    const { query } = connection().send();
    answer(query, ['1/A0', '0000000B', SYSTEM], 'ROLLBACK');
    expect(await query.done).toMatchObject({ command: 'ROLLBACK' });
  });

  it('prepares anew what nobody knows to be prepared', async () => {
    const { send } = connection();
    const first = send();
    answer(first.query, ['1/A0', '0000000B', SYSTEM]);
    const broken = send();
    broken.query.handleCommandComplete({ text: 'COMMIT' });
    broken.query.handleError(new Error('canceled'));
    await broken.query.done;
    expect(send().messages).toEqual(broken.messages);
  });
});
