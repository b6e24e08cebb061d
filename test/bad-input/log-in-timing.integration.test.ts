import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { NamedStatementClient } from '../../src/kernel/database/named-statement-client.ts';
import { refusalOf } from '../support/errors.ts';
import { signUp, somebody } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

/** What a wrong guess asks of the database before it is refused. */
async function statementsOf(email: string): Promise<string[]> {
  const asked: string[] = [];
  const attempt = app.client(CommandService).logIn({ email, password: 'not the right password' });
  // The instance watches and seals beside it.
  NamedStatementClient.listener = (text, purpose) => {
    if (purpose === 'bicameral commands') asked.push(text);
  };
  expect(await refusalOf(attempt)).toMatchObject({ reason: 'CREDENTIALS_INVALID' });
  NamedStatementClient.listener = undefined;
  return asked;
}

// That both hash once, by the same parameters, is password-hasher's test; their times are compared by the benchmark log-in-timing.
it('a wrong password and an unknown e-mail ask the database the same', async () => {
  const { email } = await signUp(app);
  const wrong = await statementsOf(email);
  expect(wrong.length).toBeGreaterThan(0);
  expect(await statementsOf(somebody().email)).toEqual(wrong);
});
