import type { DescMethod } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { describe, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { principalKey } from '../../../src/kernel/bus/context-keys.ts';
import { authorization } from '../../../src/kernel/middleware/authorization.ts';
import { OpenService } from '../../gen/conformance/v1/conformance_pb.js';
import { permissionsOf } from '../../support/roles.ts';
import { callTo, pass } from './test-call.ts';

const ada = '0190a000-0000-7000-8000-00000000abcd';
const bob = '0190a000-0000-7000-8000-00000000beef';

/** Resolves when the caller may make the call. */
async function attempt(method: DescMethod, caller: { id: string; roles?: string[] } | undefined, userId?: string): Promise<void> {
  const call = callTo(method, { request: userId === undefined ? {} : { userId } });
  if (caller) {
    const { id, roles = [] } = caller;
    call.contextValues.set(principalKey, { id, roles, permissions: permissionsOf(roles), session: '' });
  }
  await pass(interceptor, call);
}
const interceptor = authorization();

describe('authorization', () => {
  it('lets anyone call what is anonymous', async () => {
    await attempt(CommandService.method.logIn, undefined);
  });

  it('lets a role call what it permits', async () => {
    await attempt(QueryService.method.listUsers, { id: ada, roles: ['auditor'] });
    await attempt(CommandService.method.grantRole, { id: ada, roles: ['admin'] }, bob);
    await attempt(QueryService.method.getUser, { id: ada, roles: ['auditor'] }, bob);
  });

  it('lets users act on their own account, whatever the case of the id', async () => {
    await attempt(QueryService.method.getUser, { id: ada }, ada);
    await attempt(CommandService.method.changePassword, { id: ada }, ada.toUpperCase());
    await attempt(CommandService.method.changeName, { id: ada.toUpperCase() }, ada);
  });

  it.each([
    ['another account', QueryService.method.getUser, bob, { permission: 'users.read', self: 'user_id' }],
    ['an account that is not named', QueryService.method.getUser, '', { permission: 'users.read', self: 'user_id' }],
    ['all accounts', QueryService.method.listUsers, undefined, { permission: 'users.read' }],
    ['what takes another permission', CommandService.method.suspendUser, ada, { permission: 'users.write' }],
    ["another's password", CommandService.method.changePassword, bob, { self: 'user_id' }],
  ])('refuses %s and says what is missing', async (_, method, userId, metadata) => {
    const refused = attempt(method as DescMethod, { id: ada, roles: ['operator'] }, userId);
    await expect(refused).rejects.toMatchObject({
      reason: 'PERMISSION_MISSING',
      code: Code.PermissionDenied,
      domain: 'cqrs.v1',
      metadata,
    });
  });

  it("does not let an admin change another's password", async () => {
    await expect(attempt(CommandService.method.changePassword, { id: ada, roles: ['admin'] }, bob)).rejects.toMatchObject({
      reason: 'PERMISSION_MISSING',
    });
  });

  it('asks an anonymous caller for a token, even where the request names nobody', async () => {
    await expect(attempt(QueryService.method.getUser, undefined, '')).rejects.toMatchObject({ reason: 'TOKEN_MISSING' });
    await expect(attempt(QueryService.method.listUsers, { id: '', roles: ['admin'] })).rejects.toMatchObject({
      reason: 'TOKEN_MISSING',
    });
  });

  it('lets nobody call an rpc without an access rule', async () => {
    const refused = attempt(OpenService.method.open, { id: ada, roles: ['admin'] });
    await expect(refused).rejects.toMatchObject({ reason: 'PERMISSION_MISSING', metadata: {} });
  });
});
