import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../../gen/users/v1/query_service_pb.js';
import { refusalOf } from '../../../support/errors.ts';
import { asAdmin, logIn, signUp } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

describe('roles', () => {
  it('are granted once and come with the next log-in', async () => {
    const user = await signUp(app);
    await asAdmin(app).grantRole({ userId: user.id, role: 'auditor' });
    const { user: again } = await asAdmin(app).grantRole({ userId: user.id, role: 'auditor' });
    expect(again).toMatchObject({ roles: ['auditor'], version: 2n });
    const auditor = app.client(QueryService, { token: await logIn(app, user) });
    const { users } = await auditor.listUsers({ pageSize: 1 }, { headers: { 'cqrs-consistency': 'strong' } });
    expect(users).toHaveLength(1);
  });

  it('that the service does not have are refused, granted or revoked', async () => {
    const { id: userId } = await signUp(app);
    const refused = { code: 'InvalidArgument', reason: 'ROLE_UNKNOWN', fields: ['role'] };
    expect(await refusalOf(asAdmin(app).grantRole({ userId, role: 'emperor' }))).toMatchObject(refused);
    expect(await refusalOf(asAdmin(app).revokeRole({ userId, role: 'emperor' }))).toMatchObject(refused);
  });

  it('need users.admin', async () => {
    const { id } = await signUp(app);
    const operator = app.client(CommandService, { roles: ['operator'] });
    expect(await refusalOf(operator.grantRole({ userId: id, role: 'admin' }))).toMatchObject({
      code: 'PermissionDenied',
      metadata: { permission: 'users.admin' },
    });
  });

  it('leave one active admin, however many are removed at the same time and in whatever way', async () => {
    const admins = await Promise.all(Array.from({ length: 6 }, () => signUp(app)));
    for (const { id } of admins) await asAdmin(app).grantRole({ userId: id, role: 'admin' });
    const outcomes = await Promise.allSettled(
      admins.map(({ id }, index) => {
        if (index % 3 === 0) return asAdmin(app).revokeRole({ userId: id, role: 'admin' });
        if (index % 3 === 1) return asAdmin(app).suspendUser({ userId: id, reason: 'test' });
        return asAdmin(app).deleteUser({ userId: id });
      }),
    );
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toHaveLength(1);
    expect(await refusalOf(Promise.reject(refused[0]?.reason))).toMatchObject({
      code: 'FailedPrecondition',
      reason: 'LAST_ADMIN',
    });
    const left = await app.database.query(`select from users."user" where 'admin' = any(roles) and status = 'active'`);
    expect(left).toHaveLength(1);
  });
});
