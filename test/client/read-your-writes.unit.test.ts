import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { describe, expect, it } from '@jest/globals';
import { errorInfo, readYourWrites, type SeenState } from '../../src/client/index.ts';
import { refusal, scriptedUsers } from './scripted-users.ts';

const HEADER = 'cqrs-consistency-token';
const tokensOf = (asked: readonly Headers[]): (string | null)[] => asked.map((header) => header.get(HEADER));

/** The n-th answer has the token n. */
function counted(seen: SeenState = {}, more: Interceptor[] = []) {
  return scriptedUsers([readYourWrites(seen), ...more], (count, { responseHeader }) => responseHeader.set(HEADER, `${count}`));
}

describe('readYourWrites', () => {
  it('sends with a query the token of the command before it', async () => {
    const { commands, queries, asked } = counted();
    await queries.getUser({});
    await commands.changeName({});
    await queries.getUser({});
    await queries.getUser({});
    expect(tokensOf(asked)).toEqual([null, null, '1, 2', '3']);
  });

  it('keeps the token of every command that no query has told of', async () => {
    const { commands, queries, asked } = counted();
    await Promise.all([commands.changeName({}), commands.changeName({}), commands.changeName({})]);
    await queries.getUser({});
    await queries.getUser({});
    expect(tokensOf(asked).slice(3)).toEqual(['1, 2, 3', '4']);
  });

  it('keeps what a command told of while a query was under way', async () => {
    const slow = Promise.withResolvers<void>();
    const { commands, queries, asked } = counted({}, [
      (next) => async (request) => {
        const answer = await next(request);
        if (request.method.name === 'GetUser') await slow.promise;
        return answer;
      },
    ]);
    const earlier = queries.getUser({});
    await commands.changeName({});
    slow.resolve();
    await earlier;
    await queries.getUser({});
    expect(tokensOf(asked).at(-1)?.split(', ').sort()).toEqual(['1', '2']);
  });

  it('keeps eight tokens at most', async () => {
    const { commands, queries, asked } = counted();
    for (let count = 0; count < 20; count += 1) await commands.changeName({});
    await queries.getUser({});
    expect(tokensOf(asked).at(-1)).toBe('13, 14, 15, 16, 17, 18, 19, 20');
  });

  it('sends no token of its own when the caller does', async () => {
    const { queries, asked } = counted();
    await queries.getUser({});
    await queries.getUser({}, { headers: { [HEADER]: 'mine' } });
    expect(tokensOf(asked)).toEqual([null, 'mine']);
  });

  it('carries on what another client has seen', async () => {
    const first = counted();
    const seen: SeenState = {};
    await counted(seen).commands.changeName({});
    const message = JSON.stringify(seen);
    const second = counted(JSON.parse(message));
    await second.queries.getUser({});
    expect(tokensOf(second.asked)).toEqual(['1']);
    await first.queries.getUser({});
    expect(tokensOf(first.asked)).toEqual([null]);
  });

  it.each(['CONSISTENCY_STATE_LOST', 'CONSISTENCY_TOKEN_EXPIRED', 'CONSISTENCY_TOKEN_FOREIGN', 'CONSISTENCY_TOKEN_INVALID'])(
    'forgets the token and asks once more without it after %s',
    async (reason) => {
      const seen: SeenState = { token: 'old' };
      const { queries, asked } = scriptedUsers([readYourWrites(seen)], (_, { requestHeader, responseHeader }) => {
        if (requestHeader.get(HEADER) === 'old') throw refusal(Code.FailedPrecondition, { reason });
        responseHeader.set(HEADER, 'new');
      });
      await queries.getUser({});
      await queries.getUser({});
      expect(tokensOf(asked)).toEqual(['old', null, 'new']);
      expect(seen).toEqual({ token: 'new' });
    },
  );

  it('keeps the token when the query fails for another reason', async () => {
    const seen: SeenState = { token: 'old' };
    const { queries, asked } = scriptedUsers([readYourWrites(seen)], () => {
      throw refusal(Code.Unavailable, { reason: 'PROJECTION_BEHIND' });
    });
    const error = await queries.getUser({}).catch(ConnectError.from);
    expect(errorInfo(error)?.reason).toBe('PROJECTION_BEHIND');
    expect(asked).toHaveLength(1);
    expect(seen).toEqual({ token: 'old' });
  });
});
