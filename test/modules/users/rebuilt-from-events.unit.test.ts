import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { file_users_v1_events } from '#gen/users/v1/events_pb.js';
import { UserType } from '../../../src/modules/users/persistence/user-type.ts';
import { TEST_TIME } from '../../../src/testing/index.ts';
import { usersInMemory } from './memory/in-memory.ts';
import { everyEvent, randomCommands } from './random-commands.ts';
import { expectRebuilt, sendAll, signUpUsers } from './rebuilt.ts';
import { NOT_IN_EVENTS, toldByEvents } from './user-of-events.ts';

const { given } = usersInMemory();

describe('a user rebuilt from their stored events', () => {
  it('is the user that is stored, whatever commands were done', () =>
    fc.assert(
      fc.asyncProperty(randomCommands(2, 'x'), async (commands) => {
        const scenario = given();
        const ids = await signUpUsers(scenario, 2, 'x');
        await sendAll(scenario, ids, commands, { isClockGiven: true });
        for (const id of ids) await expectRebuilt(scenario, id);
      }),
      { numRuns: 150 },
    ));

  it('is the user that is stored, after each event that there is', async () => {
    const commands = everyEvent('x');
    const types = new Set<string>();
    for (let count = 0; count <= commands.length; count += 1) {
      const scenario = given();
      const ids = await signUpUsers(scenario, 1, 'x');
      expect(await sendAll(scenario, ids, commands.slice(0, count), { isClockGiven: true })).toHaveLength(count);
      for (const type of await expectRebuilt(scenario, ids[0] ?? '')) types.add(type);
    }
    expect([...types].toSorted()).toEqual(file_users_v1_events.messages.map(({ name }) => name).toSorted());
  });

  it('lacks what no event may tell, and nothing else', () => {
    const created = { event: { type: 'UserCreated' }, version: 1, occurredAt: TEST_TIME, commandId: '' };
    const told = Object.keys(toldByEvents('id', [created]));
    expect([...told, ...Object.keys(NOT_IN_EVENTS)].toSorted()).toEqual(Object.keys(UserType.mapping.meta.properties).toSorted());
  });
});
