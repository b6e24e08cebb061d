import { create, createRegistry, type DescMethod, type MessageInitShape, setExtension } from '@bufbuild/protobuf';
import { MethodOptionsSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from '@jest/globals';
import { CacheSchema, cache, Scope } from '#gen/cqrs/v1/cache_pb.js';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { file_users_v1_events, UserLoggedInSchema } from '#gen/users/v1/events_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import type { DeclaredReads } from '../../../src/kernel/bus/query.ts';
import { cacheProblems, cacheRuleOf } from '../../../src/kernel/cache/cache-rule.ts';

const eventTypes = createRegistry(file_users_v1_events);
const { getUser, listUsers, watchUsers } = QueryService.method;

/** The rpc with another rule than its contract has. */
function withRule<Method extends DescMethod>(method: Method, rule: MessageInitShape<typeof CacheSchema>): Method {
  const options = create(MethodOptionsSchema);
  setExtension(options, cache, create(CacheSchema, rule));
  return Object.create(method, { proto: { value: { ...method.proto, options } } });
}

const reading = (method: DescMethod): DeclaredReads => new Map([[method, [{ name: 'log_ins', events: [UserLoggedInSchema] }]]]);

describe('a cache rule', () => {
  const problemsOf = (method: DescMethod, reads: DeclaredReads = new Map()) => cacheProblems(method, { reads, eventTypes });

  it('is good where it can be kept', () => {
    expect(problemsOf(getUser)).toEqual([]);
    expect(problemsOf(withRule(listUsers, { seconds: 1, events: ['users.v1.*'] }))).toEqual([]);
    expect(problemsOf(withRule(listUsers, { seconds: 1, events: ['users.v1.UserCreated'] }))).toEqual([]);
    const method = withRule(listUsers, { seconds: 1 });
    expect(problemsOf(method, reading(method))).toEqual([]);
  });

  it.each([
    ['a time', withRule(getUser, { by: 'user_id' }), 'needs seconds'],
    [
      'the field',
      withRule(getUser, { seconds: 1, by: 'userid' }),
      'names `userid`, which is no string field of users.v1.GetUserRequest',
    ],
    [
      'a type of events',
      withRule(listUsers, { seconds: 1, events: ['users.v1.UserRenamed'] }),
      'names users.v1.UserRenamed, which is in the `events` of no module',
    ],
    [
      'a package',
      withRule(listUsers, { seconds: 1, events: ['user.v1.*'] }),
      'names user.v1.*, which is in the `events` of no module',
    ],
    ['an end', withRule(listUsers, { seconds: 1 }), 'names nothing that ends an answer'],
    [
      'a query',
      withRule(CommandService.method.changeName, { seconds: 1, by: 'user_id' }),
      'only the answer of a query without a stream',
    ],
    ['one answer', withRule(watchUsers, { seconds: 1, events: ['users.v1.*'] }), 'only the answer of a query without a stream'],
  ])('needs %s', (_, method, problem) => {
    const problems = problemsOf(method);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`${method.parent.typeName}/${method.name}: the cache rule `);
    expect(problems[0]).toContain(problem);
  });

  it('is for the caller alone unless it says otherwise, and takes the events of projections', () => {
    const method = withRule(listUsers, { seconds: 2, events: ['users.v1.UserCreated'] });
    expect(cacheRuleOf(method, { reads: reading(method), eventTypes })).toMatchObject({
      ms: 2000,
      by: undefined,
      types: new Set(['users.v1.UserCreated', UserLoggedInSchema.typeName]),
      isPersonal: true,
    });
    const shared = withRule(getUser, { seconds: 2, by: 'user_id', scope: Scope.ALL });
    expect(cacheRuleOf(shared, { reads: new Map(), eventTypes })).toMatchObject({
      by: 'userId',
      types: undefined,
      isPersonal: false,
    });
    expect(cacheRuleOf(listUsers, { reads: new Map(), eventTypes })).toBeUndefined();
  });
});
