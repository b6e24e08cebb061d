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

describe('changeName', () => {
  it('renames a user and raises the version by one', async () => {
    const { id } = await signUp(app);
    const { user } = await asAdmin(app).changeName({ userId: id, name: 'New Name' });
    expect(user).toMatchObject({ name: 'New Name', version: 2n });
    const { user: read } = await app
      .client(QueryService, { roles: ['auditor'] })
      .getUser({ userId: id }, { headers: { 'cqrs-consistency': 'strong' } });
    expect(read).toEqual(user);
  });

  it('records nothing when the name is the same', async () => {
    const { id, name } = await signUp(app);
    const { user } = await asAdmin(app).changeName({ userId: id, name });
    expect(user?.version).toBe(1n);
    expect(await app.database.query('select from cqrs.event where aggregate_id = $1', [id])).toHaveLength(1);
  });

  it('lets a user rename themselves and nobody else', async () => {
    const me = await signUp(app);
    const other = await signUp(app);
    const client = app.client(CommandService, { token: await logIn(app, me) });
    await client.changeName({ userId: me.id, name: 'Me' });
    expect(await refusalOf(client.changeName({ userId: other.id, name: 'Mine' }))).toMatchObject({
      code: 'PermissionDenied',
      reason: 'PERMISSION_MISSING',
      metadata: { permission: 'users.write' },
    });
  });

  it('checks the permission before it tells whether the user exists', async () => {
    const client = app.client(CommandService, { token: await logIn(app, await signUp(app)) });
    const unknown = { userId: '01930000-0000-7000-8000-000000000000', name: 'x' };
    expect(await refusalOf(client.changeName(unknown))).toMatchObject({ code: 'PermissionDenied' });
    expect(await refusalOf(asAdmin(app).changeName(unknown))).toMatchObject({ code: 'NotFound', reason: 'USER_NOT_FOUND' });
  });

  it('lets one of ten win that expect the same version, and tells the others the current one', async () => {
    const { id } = await signUp(app);
    const attempts = Array.from({ length: 10 }, (_, index) =>
      asAdmin(app)
        .changeName({ userId: id, name: `Name ${index}`, expectedVersion: 1n })
        .then(
          () => undefined,
          (error) => refusalOf(Promise.reject(error)),
        ),
    );
    const refusals = (await Promise.all(attempts)).filter((refusal) => refusal !== undefined);
    expect(refusals).toHaveLength(9);
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ code: 'Aborted', reason: 'VERSION_MISMATCH', metadata: { current_version: '2' } });
    }
  });

  it('runs colliding commands again inside, so that none is lost', async () => {
    const { id } = await signUp(app);
    const names = Array.from({ length: 8 }, (_, index) => `Name ${index}`);
    await Promise.all(names.map((name) => asAdmin(app).changeName({ userId: id, name })));
    const [row] = await app.database.query<{ version: number }>('select version from users."user" where id = $1', [id]);
    expect(row?.version).toBe(9);
    const events = await app.database.query<{ aggregate_version: number }>(
      'select aggregate_version from cqrs.event where aggregate_id = $1 order by position',
      [id],
    );
    expect(events.map((event) => event.aggregate_version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('takes an expected version of 0 for a version and not for none', async () => {
    const { id } = await signUp(app);
    const refusal = await refusalOf(asAdmin(app).changeName({ userId: id, name: 'x', expectedVersion: 0n }));
    expect(refusal).toMatchObject({ reason: 'VERSION_MISMATCH', metadata: { current_version: '1' } });
  });
});
