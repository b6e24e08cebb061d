import { describe, expect, it } from '@jest/globals';
import { DatabaseClient } from '../../../src/kernel/database/database-client.ts';

const timers = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;

describe('the end of a connection', () => {
  it('that is not there any more keeps no process alive', async () => {
    const client = new DatabaseClient({ host: '127.0.0.1' });
    const before = timers();
    const ended = client.end();
    expect(timers()).toBe(before);
    await ended;
  });
});
