import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { err, ok, type Result } from 'neverthrow';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { type User, UserSchema } from '../../../gen/users/v1/user_pb.js';
import { type CommandContext, command } from '../../../src/kernel/bus/command.ts';
import { Conflict, type DomainError } from '../../../src/kernel/bus/errors.ts';
import { query, streamQuery } from '../../../src/kernel/bus/query.ts';
import type { Reader } from '../../../src/kernel/database/read/reader.ts';
import { defineModule } from '../../../src/kernel/module.ts';
import { QueryService } from '../../gen/conformance/v1/conformance_pb.js';

const { changeName } = CommandService.method;
const { ask, count } = QueryService.method;
const user: User = create(UserSchema);
const outcome = (): Result<void, DomainError> => ok();

/** `npm run check:types` is what fails: each line that is expected to be an error has to be one. */
describe('what a handler answers, for the type check', () => {
  it('can be a whole message, a part of one, and nothing', () => {
    const handlers = [
      command(changeName, async () => ok({ user })),
      command(changeName, async () => ok({ user: { id: 'an id', name: 'Ada' } })),
      command(changeName, async () => ok({})),
      command(changeName, async () => ok(create(changeName.output, { user }))),
      command(changeName, async ({ name }) => (name === '' ? err(new Conflict()) : ok({ user }))),
      command(changeName, async () => outcome().map(() => ({ user }))),
      query(ask, async () => ok({ text: 'a text' })),
      streamQuery(count, async function* () {
        yield { value: 1 };
      }),
    ];
    expect(handlers).toHaveLength(8);
  });

  it('cannot have a field that the message does not have', () => {
    const handlers = [
      // @ts-expect-error
      command(changeName, async () => ok({ user, surplus: 1 })),
      // @ts-expect-error
      command(changeName, async () => ok({ user: { id: 'an id', surplus: 1 } })),
      // @ts-expect-error
      command(changeName, async ({ name }) => (name === '' ? err(new Conflict()) : ok({ usr: user }))),
      // @ts-expect-error
      command(changeName, async () => outcome().map(() => ({ user, surplus: 1 }))),
      // @ts-expect-error
      query(ask, async () => ok({ text: 'a text', surplus: 1 })),
      // @ts-expect-error
      streamQuery(count, async function* () {
        yield { value: 1, surplus: 1 };
      }),
      // @ts-expect-error
      command(changeName, async () => ok({ user: 1 })),
    ];
    expect(handlers).toHaveLength(7);
  });
});

describe('what a command handler asks for, for the type check', () => {
  it('cannot be the reader: a read model can be behind', () => {
    const reading = command(changeName, async (_, { read }: CommandContext & { read: Reader }) =>
      ok({ user: { id: read.name } }),
    );
    const services = [{ kind: 'command', service: CommandService, handlers: { changeName: reading } }] as const;
    const modules = [
      // @ts-expect-error
      defineModule({ name: 'users', services }),
      // @ts-expect-error
      defineModule({ name: 'users', services, commandContext: (_, { read }) => ({ read }) }),
      // @ts-expect-error
      defineModule({ name: 'users', services, commandContext: (base) => base, queryContext: (_, { read }) => ({ read }) }),
    ];
    expect(modules).toHaveLength(3);
  });
});
