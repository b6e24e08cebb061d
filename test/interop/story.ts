import { status } from '@grpc/grpc-js';
import { expect, it } from '@jest/globals';
import type { Service } from '../support/service.ts';

/**
 * What a client has seen, in its own words: it creates two users, logs in as the first with the right and with a wrong password,
 * reads itself, reads two pages of one user as an admin, creates the first user again, sends a user that breaks three rules,
 * reads without a token, and asks for the health of the server and of one service.
 */
export interface Story {
  readonly created: readonly SeenUser[];
  readonly loggedIn: { readonly user: SeenUser; readonly expiresInSeconds: number };
  readonly read: SeenUser & { readonly servedBy: string };
  readonly pages: readonly { readonly ids: readonly string[]; readonly totalSize: number; readonly hasNext: boolean }[];
  readonly errors: Readonly<Record<'emailTaken' | 'invalid' | 'wrongPassword' | 'noToken', SeenError>>;
  /** By the name of the service that was asked for; '' is the whole server. */
  readonly health: Readonly<Record<string, string>>;
}

export interface SeenUser {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly status: string;
  readonly version: number;
  readonly hasLoggedIn: boolean;
}

/** A gRPC status with its details, decoded by the client's own types of google.rpc. */
export interface SeenError {
  readonly code: number;
  readonly message: string;
  readonly reason: string;
  readonly domain: string;
  readonly resource?: { readonly type: string; readonly name: string };
  readonly violations?: readonly { readonly field: string; readonly description: string; readonly reason: string }[];
}

/** What every client is told. */
export const PEOPLE = {
  ada: { email: 'Ada@interop.example.org', name: 'Ada Lovelace 🧮', password: 'seven green lamps hum' },
  bob: { email: 'bob@interop.example.org', name: 'Bob Kahn', password: 'three slow trains pass' },
  invalid: { email: 'nowhere', name: '', password: 'short' },
} as const;

/** The arguments of a client's program: the address, a token of an admin, and people as JSON. */
export async function storyArguments(service: Service): Promise<[string, string, string]> {
  return [service.grpcAddress, await service.adminToken(), JSON.stringify(PEOPLE)];
}

/** The tests that are the same for every client. */
export function itIsTheStory(told: () => Story): void {
  const user = ({ email, name }: { email: string; name: string }) => ({ email, name, status: 'USER_STATUS_ACTIVE', version: 1 });

  it('creates two users', () => {
    const { created } = told();
    expect(created).toMatchObject([user(PEOPLE.ada), user(PEOPLE.bob)]);
    expect(created.map(({ hasLoggedIn }) => hasLoggedIn)).toEqual([false, false]);
    for (const { id } of created) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  });

  it('logs in', () => {
    const { created, loggedIn } = told();
    expect(loggedIn.user).toMatchObject({ ...user(PEOPLE.ada), id: created[0]?.id, hasLoggedIn: true });
    expect(loggedIn.expiresInSeconds).toBeGreaterThan(10 * 60);
    expect(loggedIn.expiresInSeconds).toBeLessThanOrEqual(15 * 60);
  });

  it('reads itself with its token, from the primary as it asked', () => {
    const { created, read } = told();
    expect(read).toMatchObject({ ...user(PEOPLE.ada), id: created[0]?.id, hasLoggedIn: true, servedBy: 'primary' });
  });

  it('lists two pages', () => {
    const { created, pages } = told();
    expect(pages).toEqual([
      { ids: [created[0]?.id], totalSize: 2, hasNext: true },
      { ids: [created[1]?.id], totalSize: 2, hasNext: false },
    ]);
  });

  it('decodes why an e-mail is refused that is taken', () => {
    expect(told().errors.emailTaken).toEqual({
      code: status.ALREADY_EXISTS,
      message: 'another user has this e-mail address',
      reason: 'EMAIL_TAKEN',
      domain: 'users.v1',
      resource: { type: 'users.v1.User', name: PEOPLE.ada.email },
    });
  });

  it('decodes every rule that its request breaks', () => {
    expect(told().errors.invalid).toMatchObject({ code: status.INVALID_ARGUMENT, reason: 'INVALID_REQUEST', domain: 'cqrs.v1' });
    expect(told().errors.invalid.violations).toEqual([
      { field: 'email', description: 'must be a valid email address', reason: 'STRING_EMAIL' },
      { field: 'name', description: 'must be at least 1 characters', reason: 'STRING_MIN_LEN' },
      { field: 'name', description: 'must hold a letter, a number or another visible character', reason: 'STRING_VISIBLE' },
      { field: 'password', description: 'must be at least 15 characters', reason: 'STRING_MIN_LEN' },
    ]);
  });

  it('decodes why a wrong password is refused', () => {
    const { wrongPassword } = told().errors;
    expect(wrongPassword).toMatchObject({ code: status.UNAUTHENTICATED, reason: 'CREDENTIALS_INVALID', domain: 'users.v1' });
  });

  it('decodes why a call without a token is refused', () => {
    const { noToken } = told().errors;
    expect(noToken).toMatchObject({ code: status.UNAUTHENTICATED, reason: 'TOKEN_MISSING', domain: 'cqrs.v1' });
  });

  it('finds the server and the service healthy', () => {
    expect(told().health).toEqual({ '': 'SERVING', 'users.v1.QueryService': 'SERVING' });
  });
}
