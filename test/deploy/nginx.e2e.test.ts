import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { describeWith } from '../interop/tool.ts';
import { refusalOf } from '../support/errors.ts';
import { eventually } from '../support/eventually.ts';
import { PASSWORD, somebody } from '../support/people.ts';
import { type Service, startService } from '../support/service.ts';
import { type Nginx, nginxTool, startNginx } from './nginx.ts';

/** Over gRPC, and by GET through nginx: both ways in front of one service. */
describeWith('nginx, as deploy/nginx has it', nginxTool, () => {
  const stack = new AsyncDisposableStack();
  let service: Service;
  let nginx: Nginx;
  let adminToken: string;
  let adaId: string;

  beforeAll(async () => {
    service = stack.use(await startService());
    nginx = stack.use(await startNginx(service.httpAddress));
    adminToken = await service.adminToken();
    adaId = await signUp(somebody());
  });
  afterAll(() => stack.disposeAsync());

  const clientOf = <S extends typeof CommandService | typeof QueryService>(of: S, token?: string) =>
    createClient(
      of,
      createGrpcTransport({
        baseUrl: `http://${service.grpcAddress}`,
        interceptors: [
          (next) => (request) => {
            if (token !== undefined) request.header.set('authorization', `Bearer ${token}`);
            return next(request);
          },
        ],
      }),
    );

  async function signUp(values: ReturnType<typeof somebody>): Promise<string> {
    const { user } = await clientOf(CommandService).createUser(values);
    return user?.id ?? '';
  }

  const logIn = async (email: string): Promise<string> =>
    (await clientOf(CommandService).logIn({ email, password: PASSWORD })).accessToken;

  async function get(origin: string, token: string, headers: Record<string, string> = {}) {
    const message = encodeURIComponent(JSON.stringify({ userId: adaId }));
    const url = `${origin}/users.v1.QueryService/GetUser?connect=v1&encoding=json&message=${message}`;
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}`, ...headers } });
    const text = await response.text();
    return {
      status: response.status,
      cache: response.headers.get('x-cache-status'),
      etag: response.headers.get('etag') ?? '',
      headers: response.headers,
      text,
    };
  }

  it('keeps an answer, asks the service for it each time, and gives the new one when it has changed', async () => {
    const first = await get(nginx.origin, adminToken);
    expect(first).toMatchObject({ status: 200, cache: 'MISS' });
    expect(first.etag).toMatch(/^"[\w-]{22}"$/);
    const again = await get(nginx.origin, adminToken);
    expect(again).toMatchObject({ status: 200, cache: 'REVALIDATED', etag: first.etag, text: first.text });
    expect(await get(nginx.origin, adminToken, { 'if-none-match': first.etag })).toMatchObject({ status: 304, text: '' });

    await clientOf(CommandService, adminToken).changeName({ userId: adaId, name: 'Ada the Second' });
    await eventually(async () => {
      const changed = await get(nginx.origin, adminToken);
      expect(changed.text).toContain('Ada the Second');
      expect(changed).toMatchObject({ status: 200, cache: 'EXPIRED' });
    });
    expect(await get(nginx.origin, adminToken)).toMatchObject({ cache: 'REVALIDATED' });
  });

  it('the service itself answers 304, and says who may keep what', async () => {
    const origin = `http://${service.httpAddress}`;
    const { etag, headers } = await get(origin, adminToken);
    expect(headers.get('cache-control')).toBe('no-cache');
    expect(headers.get('vary')).toContain('authorization');
    // What is about one call would be told to all that follow.
    for (const name of ['cqrs-served-by', 'cqrs-staleness-ms', 'cqrs-consistency-token']) expect(headers.get(name)).toBeNull();
    expect(await get(origin, adminToken, { 'if-none-match': `"other", W/${etag}` })).toMatchObject({ status: 304, text: '' });
    expect(await get(origin, adminToken, { 'if-none-match': '"other"' })).toMatchObject({ status: 200 });
    const refused = await get(origin, 'no token');
    expect(refused).toMatchObject({ status: 401, etag: '' });
    expect(refused.headers.get('cache-control')).toContain('no-store');
  });

  it('a user whose role was revoked sees no answer that only the role allowed', async () => {
    const person = somebody();
    const personId = await signUp(person);
    const admin = clientOf(CommandService, adminToken);
    await admin.grantRole({ userId: personId, role: 'auditor' });
    const token = await logIn(person.email);
    for (const cache of ['MISS', 'REVALIDATED']) {
      await eventually(async () => expect(await get(nginx.origin, token)).toMatchObject({ status: 200, cache }));
    }
    await clientOf(QueryService, token).getUser({ userId: adaId });

    await admin.revokeRole({ userId: personId, role: 'auditor' });
    // The answer is in the memory of the service, and on the disk of nginx.
    await clientOf(QueryService, adminToken).getUser({ userId: adaId });
    const after = await logIn(person.email);
    expect(await refusalOf(clientOf(QueryService, after).getUser({ userId: adaId }))).toMatchObject({
      reason: 'PERMISSION_MISSING',
    });
    expect(await get(nginx.origin, after)).toMatchObject({ status: 403, etag: '' });
    await eventually(async () => {
      expect(await refusalOf(clientOf(QueryService, token).getUser({ userId: adaId }))).toMatchObject({
        reason: 'TOKEN_INVALID',
      });
      const refused = await get(nginx.origin, token);
      expect(refused).toMatchObject({ status: 401 });
      expect(refused.text).not.toContain('Ada');
    });
  });

  it('no access token is on its disk', () => {
    const kept = nginx.kept();
    expect(kept.length).toBeGreaterThan(0);
    for (const file of kept) expect(file.includes(adminToken)).toBe(false);
  });
});
