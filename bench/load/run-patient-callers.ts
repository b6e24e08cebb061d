import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Target } from './wire.ts';

/** Callers who wait as a refusal says, which h2load cannot. */
export interface PatientLoad {
  readonly target: Omit<Target, 'bodies'> & {
    /** In base64. */
    readonly bodies: readonly string[];
  };
  readonly callers: number;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export interface PatientResult {
  readonly answered: number;
  readonly refused: number;
  readonly failed: number;
  /** Of those that were answered. */
  readonly perSecond: number;
}

/** Runs them in a process of their own. */
export async function runPatientCallers(load: PatientLoad): Promise<PatientResult> {
  const program = join(import.meta.dirname, 'patient-callers.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(load)]);
  return JSON.parse(stdout);
}
