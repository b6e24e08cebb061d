import { type DescField, type DescMessage, type DescMethod, ScalarType } from '@bufbuild/protobuf';
import { type CallOptions, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import { DEFAULT_LIMITS } from '../../../src/kernel/config/limits.ts';
import { parseRates } from '../../../src/kernel/database/limits/rates.ts';
import { inProcessTransport } from '../../../src/kernel/doors/in-process.ts';
import { eventually } from '../../support/eventually.ts';
import { asAdmin } from '../../support/people.ts';
import { startTracedApp, type TracedApp } from '../../support/traced-app.ts';

let traced: TracedApp;
beforeAll(async () => {
  const rates = parseRates('sign-up=off,log-in=off,write=off') ?? new Map();
  traced = await startTracedApp({ limits: { ...DEFAULT_LIMITS, rates, commandsInFlight: 500, queriesInFlight: 500 } });
});
afterAll(async () => {
  await traced[Symbol.asyncDispose]();
});

/** Each stands in no text of the program, so that a part of one is found as well. */
const CANARIES = {
  password: 'kiwiberg kiwihafen kiwimoos',
  email: 'kanarie7391@kanarie.example',
  token: 'eyJhbGciOiJFZERTQSJ9.a2FuYXJpZS03Mzkx.bulbul7391',
};
const PARTS = ['kiwi', 'kanarie', 'a2FuYXJpZ', 'bulbul'];

/** A message whose every text is that one. */
function filled(type: DescMessage, text: string, depth = 0): Record<string, unknown> {
  const fields = depth > 3 ? [] : type.fields;
  const one = (field: DescField): unknown => {
    const isText = (scalar: ScalarType | undefined): boolean => scalar === ScalarType.STRING || scalar === ScalarType.BYTES;
    const value = (scalar: ScalarType): unknown => (scalar === ScalarType.BYTES ? Buffer.from(text) : text);
    if (field.fieldKind === 'scalar' && isText(field.scalar)) return value(field.scalar);
    if (field.fieldKind === 'message') return filled(field.message, text, depth + 1);
    if (field.fieldKind === 'list' && field.listKind === 'scalar' && isText(field.scalar)) return [value(field.scalar)];
    if (field.fieldKind === 'list' && field.listKind === 'message') return [filled(field.message, text, depth + 1)];
    return undefined;
  };
  const values = fields.flatMap((field) => {
    const value = one(field);
    if (value === undefined) return [];
    return [field.oneof ? [field.oneof.localName, { case: field.localName, value }] : [field.localName, value]];
  });
  return Object.fromEntries(values);
}

it('a password, an e-mail address and a token are in no span, no metric and no line, whatever field of whatever call they come in', async () => {
  const { app, collector } = traced;
  const { grpcPort, httpPort, bus } = app.app;
  const transports = [
    inProcessTransport(bus),
    createGrpcTransport({ baseUrl: `http://127.0.0.1:${grpcPort}` }),
    createConnectTransport({ baseUrl: `http://127.0.0.1:${httpPort}`, httpVersion: '2', useBinaryFormat: false }),
  ];
  const methods = [...bus.values()].map(({ method }) => method);
  const call = async (method: DescMethod, text: string, headers: Record<string, string>): Promise<void> => {
    for (const transport of transports) {
      const client = createClient(method.parent, transport) as unknown as Record<
        string,
        (request: unknown, options: CallOptions) => unknown
      >;
      const leave = new AbortController();
      const answer = client[method.localName]?.(filled(method.input, text), { headers, signal: leave.signal });
      if (method.methodKind === 'unary') await (answer as Promise<unknown>).catch(() => undefined);
      else {
        const reading = (async () => {
          for await (const _ of answer as AsyncIterable<unknown>) leave.abort();
        })();
        await Promise.race([reading.catch(() => undefined), new Promise((wait) => setTimeout(wait, 200))]);
        leave.abort();
        await reading.catch(() => undefined);
      }
    }
  };
  const { token, accessTokens } = await story();
  for (const canary of Object.values(CANARIES)) {
    for (const method of methods) {
      await call(method, canary, {});
      await call(method, canary, { authorization: `Bearer ${CANARIES.token}` });
      await call(method, canary, {
        authorization: `Bearer ${token}`,
        'idempotency-key': canary.replaceAll(' ', '-'),
        'cqrs-device': CANARIES.token,
        'user-agent': canary,
        baggage: `mail=${CANARIES.email}`,
        tracestate: 'kanarie=7391',
      });
    }
  }

  const names = methods.map((method) => `${method.parent.typeName}/${method.name}`);
  await eventually(() => {
    const seen = new Set(collector.spans().flatMap(({ kind, name }) => (kind === 'server' ? [name] : [])));
    expect([...seen].sort()).toEqual(names.sort());
  });
  const everything = collector
    .spans()
    .map((span) => JSON.stringify(span, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)))
    .join('\n');
  const page = (accept: string): Promise<string> =>
    fetch(`http://127.0.0.1:${app.app.metricsPort}/metrics`, { headers: { accept } }).then((response) => response.text());
  const metrics = (
    await Promise.all([page('text/plain'), page('application/openmetrics-text'), page('application/json')])
  ).join();
  expect(metrics).toContain('CreateUser');
  for (const part of [...PARTS, ...accessTokens]) {
    expect(metrics.toLowerCase()).not.toContain(part.toLowerCase());
    expect(everything.toLowerCase()).not.toContain(part.toLowerCase());
    expect(app.log().toLowerCase()).not.toContain(part.toLowerCase());
  }
  // As bytes the state of a trace is sent on; it is the caller's own, and the rest is not in there either.
  for (const part of PARTS.filter((one) => one !== 'kanarie')) expect(collector.received()).not.toContain(part);
});

/** What goes well with them, and what the database refuses. */
async function story(): Promise<{ token: string; accessTokens: string[] }> {
  const { app } = traced;
  const users = app.client(CommandService);
  const { email, password } = CANARIES;
  const { user } = await users.createUser({ email, password, name: 'Ada Lovelace' });
  const userId = user?.id ?? '';
  await users.createUser({ email, password, name: 'Ada Lovelace' }).catch(() => undefined);
  await Promise.all([1, 2, 3].map(() => users.createUser({ email: `x.${email}`, password, name: 'Ada' }).catch(() => undefined)));
  const { accessToken, refreshToken } = await users.logIn({ email, password });
  const other = 'kiwiberg kiwihafen kiwimoos and more';
  const own = app.client(CommandService, { token: accessToken });
  await own.changePassword({ userId, currentPassword: password, newPassword: other });
  await own.changeEmail({ userId, email: `y.${email}`, currentPassword: other } as never).catch(() => undefined);
  await own.changeEmail({ userId, email: `x.${email}` }).catch(() => undefined);
  await app
    .client(QueryService, { roles: ['auditor'] })
    .findUserByEmail({ email: `y.${email}` })
    .catch(() => undefined);
  await app.client(QueryService, { roles: ['auditor'] }).listUsers({ search: 'kanarie' });
  await asAdmin(app).suspendUser({ userId, reason: 'kanarie' });
  await asAdmin(app).reactivateUser({ userId, reason: 'kanarie' });
  const next = await users.logIn({ email: `y.${email}`, password: other }).catch(() => undefined);
  const tokens = [accessToken, refreshToken, next?.accessToken ?? '', next?.refreshToken ?? ''].filter((token) => token !== '');
  return {
    token: next?.accessToken ?? accessToken,
    accessTokens: tokens.flatMap((token) => token.split('.').slice(1)).filter((part) => part.length > 8),
  };
}
