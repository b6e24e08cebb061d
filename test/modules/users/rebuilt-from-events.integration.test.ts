import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { application } from '../../../src/app.ts';
import { startTestService, type TestService } from '../../../src/testing/index.ts';
import { everyEvent, randomCommands } from './random-commands.ts';
import { expectRebuilt, sendAll, signUpUsers } from './rebuilt.ts';

let service: TestService;
beforeAll(async () => {
  service = await startTestService(application, { environment: { RATE_LIMITS: 'sign-up=off' } });
});
afterAll(() => service.stop());

describe('a user rebuilt from the events in PostgreSQL', () => {
  it('is the user in the table, after every event that there is', async () => {
    const tag = randomUUID();
    const scenario = service.given();
    const [id = ''] = await signUpUsers(scenario, 1, tag);
    for (const command of everyEvent(tag)) {
      expect(await sendAll(scenario, [id], [command])).toHaveLength(1);
      await expectRebuilt(scenario, id);
    }
  });

  it('is the user in the table, whatever commands were done', () =>
    fc.assert(
      fc.asyncProperty(randomCommands(2, randomUUID()), async (commands) => {
        const scenario = service.given();
        const ids = await signUpUsers(scenario, 2, randomUUID());
        await sendAll(scenario, ids, commands);
        for (const id of ids) await expectRebuilt(scenario, id);
      }),
      { numRuns: 15 },
    ));
});
