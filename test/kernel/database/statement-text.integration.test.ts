import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CommandService } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../../gen/users/v1/query_service_pb.js';
import { UserStatus } from '../../../gen/users/v1/user_pb.js';
import { NamedStatementClient } from '../../../src/kernel/database/named-statement-client.ts';
import { asAdmin, logIn, PASSWORD, signUp } from '../../support/people.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

/** In every value that a caller can send; a statement that holds it was put together from values. */
const CANARY = 'kanarie7391';

describe('the text of statements', () => {
  it('holds no value of any command or query', async () => {
    const texts: string[] = [];
    NamedStatementClient.listener = (text) => texts.push(text);
    const user = await signUp(app, { email: `${CANARY}@example.org`, name: `Name ${CANARY}` });
    const userId = user.id;
    const admin = asAdmin(app);
    const token = await logIn(app, user);
    await admin.changeName({ userId, name: `${CANARY} II` });
    await admin.changeEmail({ userId, email: `${CANARY}.2@example.org` });
    const newPassword = 'eleven quiet rivers bend';
    await app.client(CommandService, { token }).changePassword({ userId, currentPassword: PASSWORD, newPassword });
    await admin.grantRole({ userId, role: 'auditor' });
    await admin.revokeRole({ userId, role: 'auditor' });
    await admin.suspendUser({ userId, reason: CANARY });
    await admin.reactivateUser({ userId, reason: CANARY });

    const reader = app.client(QueryService, { roles: ['auditor'] });
    await reader.getUser({ userId });
    await reader.findUserByEmail({ email: `${CANARY}.2@example.org` });
    for (const orderBy of ['created_at', 'email desc', 'name']) {
      const list = { search: CANARY, status: UserStatus.ACTIVE, orderBy, pageSize: 1, includeTotal: true };
      await signUp(app, { name: `Another ${CANARY}` });
      const { nextPageToken } = await reader.listUsers(list, { headers: { 'cqrs-consistency': 'strong' } });
      await reader.listUsers({ ...list, pageToken: nextPageToken });
    }
    await admin.deleteUser({ userId });
    NamedStatementClient.listener = undefined;

    const sent = texts.join('\n');
    for (const verb of [
      'insert into users."user"',
      'update users."user"',
      'insert into cqrs.event',
      'update cqrs.event',
      'order by',
    ]) {
      expect(sent).toContain(verb);
    }
    expect(sent).not.toContain(CANARY);
    expect(sent).not.toContain(userId);
    expect(sent).not.toContain('auditor');
  });
});
