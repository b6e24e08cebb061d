import { expect } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import type { User as UserMessage } from '#gen/users/v1/user_pb.js';
import { UserType } from '../../../src/modules/users/persistence/user-type.ts';
import { type Scenario, TEST_TIME } from '../../../src/testing/index.ts';
import { stateOf } from '../../../src/testing/memory/memory-store.ts';
import { PASSWORD } from './given-users.ts';
import type { RandomCommand } from './random-commands.ts';
import { NOT_IN_EVENTS, toldByEvents } from './user-of-events.ts';

/** Signs users up; answers their ids. */
export async function signUpUsers(scenario: Scenario, count: number, tag: string): Promise<string[]> {
  const ids: string[] = [];
  for (let number = 1; number <= count; number += 1) {
    const email = `user-${number}-${tag}@example.org`;
    const { answer } = await scenario
      .when(CommandService.method.createUser, { email, name: 'Somebody', password: PASSWORD })
      .outcome();
    ids.push((answer as { user: UserMessage }).user.id);
  }
  return ids;
}

/** Sends commands one after the other, a second apart where the clock is given; answers those that were done. */
export async function sendAll(
  scenario: Scenario,
  ids: readonly string[],
  commands: readonly RandomCommand[],
  { isClockGiven = false } = {},
): Promise<string[]> {
  const done: string[] = [];
  for (const [index, { method, about, request, as }] of commands.entries()) {
    const id = ids[about] ?? '';
    const later = isClockGiven ? scenario.at(new Date(TEST_TIME.getTime() + (index + 1) * 1000)) : scenario;
    const { refusal } = await (as ? later.as(as(id)) : later).when(method, request(id) as never).outcome();
    if (!refusal) done.push(method.localName);
  }
  return done;
}

/** Compares what is stored of a user with what their events tell; answers the types of these. */
export async function expectRebuilt(scenario: Scenario, id: string): Promise<string[]> {
  const stored = await scenario.stored(UserType, id);
  if (!stored) throw new Error('there is no such user');
  const state = Object.entries(stateOf(UserType, stored.aggregate)).filter(([property]) => !(property in NOT_IN_EVENTS));
  expect(toldByEvents(id, stored.history)).toEqual(Object.fromEntries(state));
  return stored.history.map(({ event }) => event.type);
}
