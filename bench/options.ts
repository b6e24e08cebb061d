import { parseArgs } from 'node:util';
import type { Settings } from './bench.ts';
import type { SubjectName } from './subjects/subject.ts';
import type { Workload } from './workload.ts';

/** What the command line asks for. */
export interface Options {
  readonly workloads: readonly Workload[];
  readonly settings: Settings;
  readonly subjects: ReadonlySet<SubjectName>;
  readonly users: number;
  /** Where the database stays; undefined: it is made for this run only. */
  readonly dataDir: string | undefined;
  readonly jsonFile: string | undefined;
  /** The JSON of another run, e.g. with fewer users, that this one is compared with. */
  readonly besideFile: string | undefined;
  readonly profile: boolean;
  readonly smoke: boolean;
}

/** The command line cannot be followed; the message says why. */
export class OptionsError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OptionsError';
  }
}

const SUBJECTS: readonly SubjectName[] = ['ours', 'floor', 'connect', 'peer'];
const SMOKE = ['get-user', 'change-name'];

const FULL: Settings = {
  rounds: 5,
  seconds: 2,
  warmUpSeconds: 0.3,
  firstWarmUpSeconds: 2,
  memorySeconds: 300,
  records: 100_000,
  latency: true,
};
const QUICK: Settings = { ...FULL, rounds: 3, seconds: 1, memorySeconds: 30 };
const PROFILE: Settings = { ...FULL, rounds: 1, seconds: 10, latency: false };

/** Reads the command line. Throws OptionsError, and what `parseArgs` throws for a flag it does not know. */
export function readOptions(argv: readonly string[], all: readonly Workload[]): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'memory-seconds': { type: 'string' },
      records: { type: 'string' },
      users: { type: 'string', default: '10000' },
      subjects: { type: 'string' },
      data: { type: 'string' },
      json: { type: 'string' },
      beside: { type: 'string' },
      quick: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
    },
  });
  const { profile, smoke, quick } = values;
  const base = profile ? PROFILE : smoke ? { ...QUICK, latency: false } : quick ? QUICK : FULL;
  const workloads = named(smoke && positionals.length === 0 ? SMOKE : positionals, all);
  if (profile && workloads.length !== 1) throw new OptionsError('--profile takes one workload, by its name');
  if (!/^10{4,9}$/.test(values.users)) throw new OptionsError('--users has to be a power of ten from 10000 on');
  const subjects = values.subjects?.split(',') ?? (profile ? ['ours'] : smoke ? ['ours', 'floor'] : SUBJECTS);
  return {
    workloads,
    settings: {
      ...base,
      ...(values.rounds !== undefined && { rounds: positive('--rounds', values.rounds) }),
      ...(values.seconds !== undefined && { seconds: positive('--seconds', values.seconds) }),
      ...(values['memory-seconds'] !== undefined && { memorySeconds: positive('--memory-seconds', values['memory-seconds']) }),
      ...(values.records !== undefined && { records: positive('--records', values.records) }),
    },
    subjects: new Set(subjects.map(subjectName)),
    users: Number(values.users),
    dataDir: values.data,
    jsonFile: values.json,
    besideFile: values.beside,
    profile,
    smoke,
  };
}

function named(names: readonly string[], all: readonly Workload[]): readonly Workload[] {
  if (names.length === 0) return all;
  return names.map((wanted) => {
    const workload = all.find(({ name }) => name === wanted);
    if (!workload) throw new OptionsError(`there is no workload ${wanted}, only ${all.map(({ name }) => name).join(', ')}`);
    return workload;
  });
}

function subjectName(name: string): SubjectName {
  const found = SUBJECTS.find((subject) => subject === name);
  if (!found) throw new OptionsError(`there is no subject ${name}, only ${SUBJECTS.join(', ')}`);
  return found;
}

function positive(flag: string, text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new OptionsError(`${flag} has to be a number above 0, and is ${text}`);
  return number;
}
