import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { refusalOf } from '../support/errors.ts';
import { signUp, somebody } from '../support/people.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

const PAIRS = 300;
/** Wrong passwords in a row at one address that nobody has to wait for. */
const GUESSES = 5;
/** Times that are alike come out farther apart than this once in a thousand runs. */
const LEAST_PROBABILITY = 0.001;

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

it(`a wrong password and an unknown e-mail are not told apart by their time: a rank test over ${PAIRS} pairs`, async () => {
  const known: string[] = [];
  while (known.length < 1 + PAIRS / GUESSES) known.push((await signUp(app)).email);
  const strangers = known.map(() => somebody().email);
  const timeOf = async (address: string): Promise<number> => {
    const attempt = app.client(CommandService).logIn({ email: address, password: 'not the right password' });
    const started = performance.now();
    expect(await refusalOf(attempt)).toMatchObject({ reason: 'CREDENTIALS_INVALID' });
    return performance.now() - started;
  };
  for (let warmUp = 0; warmUp < GUESSES; warmUp += 1)
    for (const addresses of [known, strangers]) await timeOf(addresses[0] ?? '');

  const [wrong, unknown]: [number[], number[]] = [[], []];
  // In turn, and each as often first, so that whatever else the machine does slows both down alike.
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const place = 1 + Math.floor(pair / GUESSES);
    const sides = [
      () => timeOf(known[place] ?? '').then((ms) => wrong.push(ms)),
      () => timeOf(strangers[place] ?? '').then((ms) => unknown.push(ms)),
    ];
    for (const side of pair % 2 === 0 ? sides : sides.reverse()) await side();
  }
  expect(probabilityOfChance(wrong, unknown)).toBeGreaterThan(LEAST_PROBABILITY);
  // The test would see a difference of a quarter.
  expect(
    probabilityOfChance(
      wrong.map((ms) => ms * 1.25),
      unknown,
    ),
  ).toBeLessThan(LEAST_PROBABILITY);
}, 120_000);

/** Two-sided Mann-Whitney U test, by its normal approximation: how likely two samples of one kind differ as much as these. */
function probabilityOfChance(one: readonly number[], other: readonly number[]): number {
  let wins = 0;
  for (const mine of one) for (const theirs of other) wins += mine > theirs ? 1 : mine === theirs ? 0.5 : 0;
  const pairs = one.length * other.length;
  const deviation = Math.sqrt((pairs * (one.length + other.length + 1)) / 12);
  const z = Math.abs(wins - pairs / 2) / deviation;
  // Abramowitz and Stegun, 7.1.26: erfc to seven digits.
  const t = 1 / (1 + (0.3275911 * z) / Math.SQRT2);
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return series * Math.exp((-z * z) / 2);
}
