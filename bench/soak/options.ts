import { parseArgs } from 'node:util';
import { OptionsError } from '../options.ts';

/** What the command line asks for. */
export interface SoakOptions {
  readonly requests: number;
  /** After so many minutes no more are sent. */
  readonly minutes: number;
  /** With which the memory of the service finds its size, before it is looked at; 0: it is not. They are counted among the requests. */
  readonly warmUp: number;
  /** Requests under way at once. */
  readonly crowd: number;
  readonly seed: number;
}

/** Reads the command line. Throws OptionsError, and what `parseArgs` throws for a flag it does not know. */
export function readSoakOptions(argv: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      requests: { type: 'string', default: '20000' },
      minutes: { type: 'string', default: '600' },
      'warm-up': { type: 'string' },
      crowd: { type: 'string', default: '24' },
      seed: { type: 'string' },
    },
  });
  const requests = natural('--requests', values.requests);
  return {
    requests,
    minutes: natural('--minutes', values.minutes),
    warmUp: warmUpOf(values['warm-up'], requests),
    crowd: natural('--crowd', values.crowd),
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : natural('--seed', values.seed),
  };
}

function warmUpOf(text: string | undefined, requests: number): number {
  if (text === undefined) return Math.ceil(Math.min(requests / 4, 20_000));
  return text === '0' ? 0 : natural('--warm-up', text);
}

function natural(flag: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new OptionsError(`${flag} has to be a whole number above 0, and is ${text}`);
  return Number(text);
}
