import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { callFrom } from '../support/calls-from.ts';
import { logIn, signUp, somebody } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

const SIGN_UP = 'users.v1.CommandService/CreateUser';
const RENAME = 'users.v1.CommandService/ChangeName';

describe('calls of rpcs that anybody may call', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp({ limits: { rates: new Map([['sign-up', { calls: 6, seconds: 600 }]]) } });
  });
  afterAll(() => app.stop());

  it('are counted by network, valid or not, whatever token they bring', async () => {
    const tokens = [];
    for (let n = 0; n < 2; n++) tokens.push(await logIn(app, await signUp(app)));
    const [ada, grace] = tokens.map((token) => ({ authorization: `Bearer ${token}` }));
    const call = (message: object, headers = {}) => callFrom(app, '127.0.0.7', SIGN_UP, message, headers);
    const reasons = [
      (await call(somebody())).reason,
      (await call({ email: 'no address' })).reason,
      (await call(somebody(), ada)).reason,
      (await call(somebody(), grace)).reason,
      (await call(somebody(), { authorization: 'Bearer nonsense' })).reason,
      (await call({ ...somebody(), password: 'short' })).reason,
    ];
    expect(reasons).toEqual([
      undefined,
      'INVALID_REQUEST',
      undefined,
      undefined,
      undefined,
      expect.stringMatching(/^(INVALID_REQUEST|PASSWORD_TOO_SHORT)$/),
    ]);
    for (const headers of [{}, ada, grace]) expect((await call(somebody(), headers)).reason).toBe('RATE_LIMITED');
    expect(await callFrom(app, '127.0.0.8', SIGN_UP, somebody())).toMatchObject({ status: 200 });
  });
});

describe('refused commands', () => {
  it('of a stranger fill no log: beyond a hundred a minute they are counted, and all of them are on record in the end', async () => {
    const app = await startTestApp();
    const instance = await startTestApp({ beside: app });
    const sent = { [SIGN_UP]: 150, [RENAME]: 170 };
    let withId = 0;
    for (const [rpc, count] of Object.entries(sent)) {
      for (let n = 0; n < count; n++) {
        const { headers, reason } = await callFrom(instance, '127.0.0.9', rpc, { name: `${n}` });
        expect(reason).toBe(rpc === SIGN_UP ? 'INVALID_REQUEST' : 'TOKEN_MISSING');
        if (headers['cqrs-command-id']) withId += 1;
      }
    }
    const rows = () =>
      app.database.query<{ method: string; peer: string; refused: number | null }>(
        `select method, peer, (request->>'@refused')::integer as refused from cqrs.command_log where peer like '127.0.0.9%'`,
      );
    const single = await rows();
    expect(single.length).toBe(withId);
    // A minute can end in between, and a hundred more may be recorded then.
    expect([100, 200, 300]).toContain(single.filter(({ refused }) => refused === null).length);

    await instance.stop();
    const all = await rows();
    for (const [rpc, count] of Object.entries(sent)) {
      const onRecord = all.filter(({ method }) => method === rpc).reduce((sum, { refused }) => sum + (refused ?? 1), 0);
      expect([rpc, onRecord]).toEqual([rpc, count]);
    }
    expect(all.length).toBeLessThan(310);
    await app.stop();
  });
});
