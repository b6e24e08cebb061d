import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { ratio } from '../compare.ts';
import { emailOf } from '../data/user-numbers.ts';
import { quantile } from '../statistics.ts';
import { Values } from '../values.ts';
import type { Findings, Workload } from '../workload.ts';

const PAIRS = 100;
/** Times that are alike come out farther apart than this once in a thousand rounds. */
const LEAST_PROBABILITY = 0.001;
const WRONG = 'wrong password';
const UNKNOWN = 'unknown e-mail';

/** OWASP Authentication Cheat Sheet, "Authentication and Error Messages": neither words nor times tell whether somebody has an account. */
export const logInTiming: Workload = {
  name: 'log-in-timing',
  about: `LogIn with a wrong password beside one of an unknown e-mail, ${PAIRS} pairs a round; p: chance that equals differ as much`,
  run: async (bench): Promise<Findings> => {
    const { rounds } = bench.settings;
    const ours = await bench.start('ours');
    const { logIn } = createClient(CommandService, createGrpcTransport({ baseUrl: `http://127.0.0.1:${ours.grpcPort}` }));
    const timeOf = async (email: string): Promise<number> => {
      const started = performance.now();
      const error = await logIn({ email, password: 'not the right password' }).catch((reason: unknown) => reason);
      const ms = performance.now() - started;
      if (!(error instanceof ConnectError) || error.code !== Code.Unauthenticated) throw error;
      return ms;
    };
    const values = new Values();
    let number = 0;
    for (let warmUp = 0; warmUp < 20; warmUp += 1) for (const email of pair(number++)) await timeOf(email);
    for (let round = 1; round <= rounds; round += 1) {
      bench.say(`round ${round} of ${rounds}`);
      const times: [number[], number[]] = [[], []];
      // In turn, and each as often first, so that whatever else the machine does slows both down alike. Each address is tried once.
      for (let made = 0; made < PAIRS; made += 1) {
        const emails = pair(number++);
        for (const side of made % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) times[side].push(await timeOf(emails[side]));
      }
      const [wrong, unknown] = times;
      values.keep(WRONG, 'p50 ms', quantile(wrong.toSorted(ascending), 0.5));
      values.keep(UNKNOWN, 'p50 ms', quantile(unknown.toSorted(ascending), 0.5));
      values.keep(UNKNOWN, 'p', probabilityOfChance(wrong, unknown), { atLeast: LEAST_PROBABILITY });
    }
    const problems = (await ours.takeFailures()).filter((failure) => !failure.startsWith('UNAUTHENTICATED'));
    const found = ratio({ of: UNKNOWN, to: WRONG, goal: { atLeast: 0.9 } }, (name) => values.rounds(name, 'p50 ms'));
    return { measures: values.measures(), ratios: [found], problems };
  },
};

/** The address of a user, and one that looks alike and belongs to nobody. */
const pair = (number: number): [known: string, unknown: string] => {
  const email = emailOf(number);
  return [email, email.replace('@', '-@')];
};

const ascending = (one: number, other: number): number => one - other;

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
