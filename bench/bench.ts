import type { Load, LoadResult } from './load/run-load.ts';
import type { Subject, SubjectName } from './subjects/subject.ts';

/** What a workload measures with. */
export interface Bench {
  readonly settings: Settings;
  /** The subjects that are measured. A workload leaves the others out. */
  readonly subjects: ReadonlySet<SubjectName>;
  /** How many users the database holds. A power of ten. */
  readonly users: number;
  /** Starts a subject, with variables of its environment besides. It is stopped when the workload ends. */
  readonly start: (name: SubjectName, environment?: Readonly<Record<string, string>>) => Promise<Subject>;
  /** Loads a server, after the warm-up, for as long as the settings say, or for `seconds`. */
  readonly load: (load: LoadOptions) => Promise<LoadResult>;
  /** Runs what `--profile` is about where that is no load at full speed. */
  readonly profiled: <Result>(run: () => Promise<Result>) => Promise<Result>;
  /** Of the primary, as a role that may do everything a subject has to. */
  readonly databaseUrl: string;
  /** The key that signs the tokens of the subjects. */
  readonly signingKeyFile: string;
  /** Of the replica, as a role that may read what queries do. */
  readonly replicaUrl: string;
  /** `Bearer …` of an administrator. */
  readonly authorization: () => Promise<string>;
  /** Says what is being done. */
  readonly say: (step: string) => void;
  /** Where temporary files may be made. */
  readonly folder: string;
}

/** A load without what is the same for all of them. */
export type LoadOptions = Omit<Load, 'warmUpMs' | 'durationMs'> & {
  readonly seconds?: number;
  /** Instead of that of the settings. */
  readonly warmUpSeconds?: number;
};

export interface Settings {
  readonly rounds: number;
  /** How long one subject is loaded in one round. */
  readonly seconds: number;
  /** Before each of these, and not counted. */
  readonly warmUpSeconds: number;
  /** Before the first round, for each subject: the time that just-in-time compilation takes. */
  readonly firstWarmUpSeconds: number;
  /** Of the load under which memory is watched. */
  readonly memorySeconds: number;
  /** Of commands, that are sealed and verified in bulk. */
  readonly records: number;
  /** Whether comparisons measure latency at a constant rate, too. */
  readonly latency: boolean;
}
