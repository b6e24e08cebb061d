import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { refusalOf } from '../support/errors.ts';
import { signUp, somebody } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

const PAIRS = 30;
/** Wrong passwords in a row at one address that nobody has to wait for. */
const GUESSES = 5;

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

it('a wrong password and an unknown e-mail take the same time', async () => {
  const known: string[] = [];
  while (known.length < 1 + PAIRS / GUESSES) known.push((await signUp(app)).email);
  const strangers = known.map(() => somebody().email);
  const timeOf = async (address: string): Promise<number> => {
    const attempt = app.client(CommandService).logIn({ email: address, password: 'not the right password' });
    const started = performance.now();
    expect(await refusalOf(attempt)).toMatchObject({ reason: 'CREDENTIALS_INVALID' });
    return performance.now() - started;
  };
  await Promise.all([known, strangers].map((addresses) => timeOf(addresses.pop() ?? '')));

  const [wrong, unknown]: [number[], number[]] = [[], []];
  // In turn, so that whatever else the machine does slows both down alike.
  for (let pair = 0; pair < PAIRS; pair++) {
    wrong.push(await timeOf(known[Math.floor(pair / GUESSES)] ?? ''));
    unknown.push(await timeOf(strangers[Math.floor(pair / GUESSES)] ?? ''));
  }
  const ratio = median(wrong) / median(unknown);
  expect(ratio).toBeGreaterThan(0.75);
  expect(ratio).toBeLessThan(1.25);
});

function median(times: number[]): number {
  const sorted = times.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
