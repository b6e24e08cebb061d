import type { DescMethodUnary, MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import type { Caller } from '../../../src/testing/index.ts';
import { PASSWORD } from './given-users.ts';

/** A command about one of several users, who are there when it is sent. */
export interface RandomCommand {
  readonly method: DescMethodUnary;
  /** Which of the users it is about, from 0. */
  readonly about: number;
  readonly request: (userId: string) => object;
  /** Undefined for an operator. */
  readonly as: ((userId: string) => Caller) | undefined;
}

const { method } = CommandService;

/** A user, in a session of their own whose id is theirs. */
const themselves = (id: string): Caller => ({ id, session: id });

/** Every command of users.v1, about `users` of them; most can be done, some are refused. `tag` makes addresses that nobody else has. */
export function randomCommands(users: number, tag: string): fc.Arbitrary<readonly RandomCommand[]> {
  const drawn = fc.record({
    about: fc.nat(users - 1),
    email: fc.constantFrom('user-1', 'user-2', 'another').map((name) => `${name}-${tag}@example.org`),
    name: fc.constantFrom('Ada', 'Augusta', 'Grace'),
    password: fc.constantFrom(PASSWORD, 'five blue camels sing'),
    newPassword: fc.constantFrom(PASSWORD, 'five blue camels sing'),
    role: fc.constantFrom('admin', 'auditor', 'operator'),
    reason: fc.constantFrom('spam', 'a mistake'),
    expectedVersion: fc.option(fc.bigInt(1n, 6n), { nil: undefined }),
    keepCurrent: fc.boolean(),
  });
  type Drawn = typeof drawn extends fc.Arbitrary<infer Values> ? Values : never;

  function command<M extends DescMethodUnary>(
    weight: number,
    rpc: M,
    request: (drawn: Drawn, userId: string) => MessageInitShape<M['input']>,
    as?: RandomCommand['as'],
  ): { weight: number; arbitrary: fc.Arbitrary<RandomCommand> } {
    const of = (values: Drawn): RandomCommand => ({
      method: rpc,
      about: values.about,
      request: (userId) => request(values, userId) as object,
      as,
    });
    return { weight, arbitrary: drawn.map(of) };
  }

  const commands = [
    command(1, method.createUser, ({ email, name, password }) => ({ email, name, password })),
    command(2, method.logIn, ({ email, password }) => ({ email, password })),
    command(1, method.refreshSession, () => ({ refreshToken: 'nobody made it' })),
    command(2, method.logOut, () => ({}), themselves),
    command(2, method.endSessions, ({ keepCurrent }, userId) => ({ userId, keepCurrent }), themselves),
    command(4, method.changeEmail, ({ email, expectedVersion }, userId) => ({
      userId,
      email,
      ...(expectedVersion && { expectedVersion }),
    })),
    command(4, method.changeName, ({ name, expectedVersion }, userId) => ({
      userId,
      name,
      ...(expectedVersion && { expectedVersion }),
    })),
    command(
      2,
      method.changePassword,
      ({ password, newPassword }, userId) => ({ userId, currentPassword: password, newPassword }),
      themselves,
    ),
    command(1, method.unlockPassword, ({ reason }, userId) => ({ userId, reason })),
    command(3, method.suspendUser, ({ reason }, userId) => ({ userId, reason })),
    command(3, method.reactivateUser, ({ reason }, userId) => ({ userId, reason })),
    command(4, method.grantRole, ({ role }, userId) => ({ userId, role })),
    command(4, method.revokeRole, ({ role }, userId) => ({ userId, role })),
    command(1, method.deleteUser, (_, userId) => ({ userId })),
  ];
  return fc.array(fc.oneof(...commands), { minLength: 1, maxLength: 25 });
}

/** Commands about the first of two users that are all done, and record every event there is. */
export function everyEvent(tag: string): readonly RandomCommand[] {
  const command = <M extends DescMethodUnary>(
    rpc: M,
    request: (userId: string) => MessageInitShape<M['input']>,
    as?: RandomCommand['as'],
  ): RandomCommand => ({ method: rpc, about: 0, request: (userId) => request(userId) as object, as });
  return [
    command(method.logIn, () => ({ email: `user-1-${tag}@example.org`, password: PASSWORD })),
    // What users do themselves comes first, in the one session that goes on.
    command(
      method.changePassword,
      (userId) => ({ userId, currentPassword: PASSWORD, newPassword: 'five blue camels sing' }),
      themselves,
    ),
    command(method.endSessions, (userId) => ({ userId, keepCurrent: true }), themselves),
    command(method.logOut, () => ({}), themselves),
    command(method.changeEmail, (userId) => ({ userId, email: `another-${tag}@example.org` })),
    command(method.changeName, (userId) => ({ userId, name: 'Augusta' })),
    command(method.grantRole, (userId) => ({ userId, role: 'operator' })),
    command(method.grantRole, (userId) => ({ userId, role: 'auditor' })),
    command(method.revokeRole, (userId) => ({ userId, role: 'operator' })),
    command(method.suspendUser, (userId) => ({ userId, reason: 'spam' })),
    command(method.reactivateUser, (userId) => ({ userId, reason: 'a mistake' })),
    command(method.deleteUser, (userId) => ({ userId })),
  ];
}
