import { once } from 'node:events';
import { createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryService } from '#gen/audit/v1/query_service_pb.js';
import { createAccessTokenIssuer } from '../../../src/kernel/auth/access-token.ts';
import { loadSigningKey } from '../../../src/kernel/auth/key-files.ts';
import { inProcessTransport } from '../../../src/kernel/doors/in-process.ts';
import { refusalOf } from '../../support/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { asAdmin, logIn, signUp } from '../../support/people.ts';
import { frame, openCall, withSession } from '../../support/raw-http2.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

const DOORS: Readonly<Record<string, () => Transport>> = {
  gRPC: () => createGrpcTransport({ baseUrl: `http://127.0.0.1:${app.app.grpcPort}` }),
  Connect: () => createConnectTransport({ baseUrl: `http://127.0.0.1:${app.app.httpPort}`, httpVersion: '1.1' }),
  'in process': () => inProcessTransport(app.app.bus),
};

/** An open stream of an auditor, that has caught up and waits for what is sealed next. */
async function waitingStream(token: string, transport: Transport) {
  const headers = { authorization: `Bearer ${token}`, 'cqrs-consistency': 'strong' };
  const messages = createClient(QueryService, transport).watchCommands({}, { headers })[Symbol.asyncIterator]();
  await messages.next();
  /** How it ends, whatever comes before. */
  async function end(): Promise<void> {
    for (let over = false; !over; ) over = (await messages.next()).done ?? false;
  }
  return { end: end() };
}

async function auditor() {
  const user = await signUp(app);
  await asAdmin(app).grantRole({ userId: user.id, role: 'auditor' });
  return { user, token: await logIn(app, user) };
}

const REVOKED = { code: 'Unauthenticated', reason: 'TOKEN_INVALID', metadata: { cause: 'REVOKED' } };

describe.each(Object.entries(DOORS))('a stream that waits, %s', (_, transport) => {
  it.each([
    ['its role is revoked', (userId: string) => asAdmin(app).revokeRole({ userId, role: 'auditor' })],
    ['its user is suspended', (userId: string) => asAdmin(app).suspendUser({ userId, reason: 'a test' })],
    ['its user is deleted', (userId: string) => asAdmin(app).deleteUser({ userId })],
  ])('ends when %s', async (_, act) => {
    const { user, token } = await auditor();
    const other = await auditor();
    const stream = await waitingStream(token, transport());
    const otherStream = await waitingStream(other.token, transport());
    let otherHasEnded = false;
    otherStream.end
      .catch(() => {})
      .finally(() => {
        otherHasEnded = true;
      });
    await act(user.id);
    expect(await refusalOf(stream.end)).toMatchObject(REVOKED);
    expect(otherHasEnded).toBe(false);
    await asAdmin(app).suspendUser({ userId: other.user.id, reason: 'a test' });
    expect(await refusalOf(otherStream.end)).toMatchObject(REVOKED);
  });

  it('ends with its token', async () => {
    const { user } = await auditor();
    const key = await loadSigningKey(app.keyFile);
    // Issued so long ago that it has three seconds left.
    const now = new Date(Date.now() - 15 * 60_000 + 3_000);
    const { token } = await createAccessTokenIssuer(key).issue({
      subject: user.id,
      roles: ['auditor'],
      sessionEpoch: 1,
      now,
      id: 'token-1',
    });
    const stream = await waitingStream(token, transport());
    expect(await refusalOf(stream.end)).toMatchObject({ reason: 'TOKEN_INVALID', metadata: { cause: 'EXPIRED' } });
  });
});

it('a stream whose reader reads nothing ends all the same, over gRPC', async () => {
  const { user, token } = await auditor();
  // More than fits into what is on its way.
  const subject = await signUp(app);
  for (let n = 0; n < 300; n += 1) await asAdmin(app).changeName({ userId: subject.id, name: `${n} `.padEnd(200, 'x') });
  const lines = (): string[] =>
    app
      .log()
      .split('\n')
      .filter((line) => line.includes('WatchCommands') && line.includes(user.id));
  await withSession(app.app.grpcPort, async (session) => {
    const stream = openCall(session, '/audit.v1.QueryService/WatchCommands', { authorization: `Bearer ${token}` });
    stream.on('error', () => undefined);
    // after_sequence = 0
    stream.end(frame(Buffer.from([8, 0])));
    await once(stream, 'response');
    await eventually(() => expect(stream.readableLength).toBeGreaterThan(0));
    stream.pause();
    expect(lines()).toEqual([]);
    await asAdmin(app).suspendUser({ userId: user.id, reason: 'a test' });
    await eventually(() => expect(lines()).toEqual([expect.stringContaining('TOKEN_INVALID')]));
  });
});
