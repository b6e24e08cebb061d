import type { DescField } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import { loadSigningKey } from '../../src/kernel/auth/key-files.ts';
import { asAdmin, logIn, PASSWORD, signUp } from '../support/people.ts';
import type { TestApp } from '../support/test-app.ts';
import { FORGED_TOKENS } from './forged-tokens.ts';
import type { Likely } from './generated-messages.ts';

/** Users to play with, and what a caller who means it well would send about them. */
export interface Cast {
  /** Values that a field holds in a valid request. */
  readonly likely: Likely;
  /** Values of the `authorization` header; undefined is none. Most of them are good. */
  readonly authorization: fc.Arbitrary<string | undefined>;
}

/**
 * Signs up a user with a token, one without, a suspended and a deleted one, and an admin who is not among those played with. An operator's
 * token belongs to no session, and so outlives what is played.
 */
export async function newCast(app: Pick<TestApp, 'client' | 'keyFile'>, operatorToken?: string): Promise<Cast> {
  const [me, other, suspended, deleted, admin] = await Promise.all([
    signUp(app),
    signUp(app),
    signUp(app),
    signUp(app),
    signUp(app),
  ]);
  const endedToken = await logIn(app, suspended);
  await asAdmin(app).suspendUser({ userId: suspended.id, reason: 'spam' });
  await asAdmin(app).deleteUser({ userId: deleted.id });
  await asAdmin(app).grantRole({ userId: admin.id, role: 'admin' });
  const [myToken, adminToken] = [await logIn(app, me), await logIn(app, admin)];
  const { nextPageToken } = await app.client(QueryService, { token: adminToken }).listUsers({ pageSize: 1 });
  const nobody = '01890a5d-ac96-774b-bcce-b302099a8057';

  const ids = [me.id, me.id, other.id, suspended.id, deleted.id, nobody, me.id.toUpperCase()];
  const emails = [me.email, other.email.toUpperCase(), suspended.email, admin.email, `nobody-${nobody}@example.org`];
  const forge = {
    key: await loadSigningKey(app.keyFile),
    subject: me.id,
    jwksUrl: 'http://127.0.0.1:9/jwks.json',
  };
  const forged = Object.values(FORGED_TOKENS).map(({ make }) => make(forge));

  return {
    likely: (field) => likelyValue(field, { ids, emails, pageToken: nextPageToken }),
    authorization: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(adminToken, operatorToken ?? adminToken).map((token) => `Bearer ${token}`) },
      { weight: 4, arbitrary: fc.constant(`Bearer ${myToken}`) },
      { weight: 1, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constantFrom(endedToken, ...forged).map((token) => `Bearer ${token}`) },
      { weight: 1, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 100 }).map((text) => text.trim()) },
    ),
  };
}

function likelyValue(
  { name }: DescField,
  { ids, emails, pageToken }: { ids: readonly string[]; emails: readonly string[]; pageToken: string },
): fc.Arbitrary<unknown> | undefined {
  switch (name) {
    case 'user_id':
      return fc.constantFrom(...ids);
    case 'email':
      return fc.oneof(
        fc.constantFrom(...emails),
        fc.uuid().map((id) => `${id}@example.org`),
      );
    case 'name':
      return fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
    case 'password':
    case 'new_password':
    case 'current_password':
      return fc.oneof(fc.constant(PASSWORD), fc.uuid());
    case 'expected_version':
      return fc.bigInt({ min: 0n, max: 5n });
    case 'reason':
      return fc.string({ minLength: 1, maxLength: 200 });
    case 'role':
      return fc.constantFrom('admin', 'auditor', 'operator');
    case 'page_size':
      return fc.integer({ min: 0, max: 20 });
    case 'page':
      return fc.constantFrom(0, 0, 1, 2, 100_000);
    case 'page_token':
      return fc.constantFrom('', '', pageToken, pageToken.slice(0, -1), `${pageToken}A`);
    case 'status':
      return fc.integer({ min: 0, max: 3 });
    case 'search':
      return fc.constantFrom('', '', 'some', 'SOMEBODY', '%', '_', '\\', '@example');
    case 'order_by':
      return fc.constantFrom('', 'created_at', 'created_at desc', 'email', 'email desc', 'name asc', 'name desc');
    default:
      return undefined;
  }
}

/** Metadata that calls may bring along, well-formed and not, and keys that the doors use among themselves. */
export const ODD_METADATA: fc.Arbitrary<Readonly<Record<string, string>>> = fc
  .record(
    {
      'cqrs-consistency': fc.oneof(fc.constantFrom('strong', 'STRONG', 'weak', 'strong, strong'), printable()),
      'cqrs-max-staleness': fc.oneof(fc.constantFrom('500ms', '-1ms', '0'), printable()),
      'cqrs-dry-run': fc.constantFrom('true', 'perhaps'),
      'idempotency-key': printable(),
      traceparent: fc.oneof(
        fc.constantFrom(
          '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
          '00-00000000000000000000000000000000-0000000000000000-00',
          'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
          '00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01',
          `00-${'f'.repeat(4000)}`,
        ),
        printable(),
      ),
      tracestate: printable(),
      baggage: printable(),
      'x-odd-bin': fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes).toString('base64')),
      'grpc-deadline': fc.constantFrom('0', 'NaN', '-1', 'yesterday'),
      'grpc-unknown-path': fc.constantFrom('/users.v1.CommandService/DeleteUser', '%zz'),
      'user-agent': printable(),
      cookie: printable(),
    },
    { requiredKeys: [] },
  )
  .filter((metadata) => Object.values(metadata).every((value) => value !== ''));

/** What HTTP takes as a value: visible ASCII, no space at either end. */
function printable(): fc.Arbitrary<string> {
  return fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 80 }).map((text) => text.trim() || 'x');
}
