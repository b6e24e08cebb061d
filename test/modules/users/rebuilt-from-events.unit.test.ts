import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { UserType } from '../../../src/modules/users/persistence/user-type.ts';
import { TEST_TIME } from '../../../src/testing/index.ts';
import { usersInMemory } from './memory/in-memory.ts';
import { randomCommands } from './random-commands.ts';
import { expectRebuilt, sendAll, signUpUsers } from './rebuilt.ts';
import { NOT_IN_EVENTS, toldByEvents } from './user-of-events.ts';

const { given } = usersInMemory();

describe('a user rebuilt from their stored events', () => {
  it('is the user that is stored, whatever commands were done', async () => {
    const done = new Set<string>();
    const types = new Set<string>();
    await fc.assert(
      fc.asyncProperty(randomCommands(2, 'x'), async (commands) => {
        const scenario = given();
        const ids = await signUpUsers(scenario, 2, 'x');
        for (const name of await sendAll(scenario, ids, commands)) done.add(name);
        for (const id of ids) for (const type of await expectRebuilt(scenario, id)) types.add(type);
      }),
      { numRuns: 150 },
    );
    // What was drawn is worth it: every command was done, but for one whose token cannot be guessed, and every event is in it.
    expect(CommandService.methods.map(({ localName }) => localName).filter((name) => !done.has(name))).toEqual([
      'refreshSession',
    ]);
    expect(types.size).toBe(12);
  });

  it('lacks what no event may tell, and nothing else', () => {
    const created = { event: { type: 'UserCreated' }, version: 1, occurredAt: TEST_TIME, commandId: '' };
    const told = Object.keys(toldByEvents('id', [created]));
    expect([...told, ...Object.keys(NOT_IN_EVENTS)].toSorted()).toEqual(Object.keys(UserType.mapping.meta.properties).toSorted());
  });
});
