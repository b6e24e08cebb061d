import type pg from 'pg';
import { PRUNE_MARKS, type PruneMark, type PruneMarkRow, pruneStatement, toPruneMark } from '../prune-mark.ts';
import { signatureProblem, type VerifyingKeys } from '../signature.ts';
import type { Finding } from './finding.ts';

/** What may be missing from the log, because signed marks say that it was pruned. */
export class PrunedRanges {
  readonly #marks: readonly PruneMark[];
  /** Up to it, seals may be missing. */
  readonly lastSequence: number;

  constructor(marks: readonly PruneMark[]) {
    this.#marks = marks;
    this.lastSequence = Math.max(0, ...marks.map(({ lastSequence }) => lastSequence));
  }

  /** Whether a record received at this time (milliseconds since the epoch, as text) may be missing. */
  includes(receivedAt: string): boolean {
    const at = Number(receivedAt);
    return this.#marks.some(({ receivedFrom, receivedBefore }) => at >= Number(receivedFrom) && at < Number(receivedBefore));
  }
}

/** Reads the marks. One with a bad signature excuses nothing. */
export async function readPrunedRanges(
  client: pg.ClientBase,
  keys: VerifyingKeys,
): Promise<{ pruned: PrunedRanges; findings: Finding[] }> {
  const { rows } = await client.query<PruneMarkRow>(PRUNE_MARKS);
  const marks = rows.map(toPruneMark);
  const problems = await Promise.all(marks.map((mark) => signatureProblem(pruneStatement(mark), mark, keys)));
  const findings = problems.flatMap((problem, index): Finding[] => {
    const month = new Date(Number(marks[index]?.receivedFrom)).toISOString().slice(0, 7);
    return problem ? [{ kind: 'SIGNATURE_INVALID', description: `the mark that ${month} was pruned ${problem}` }] : [];
  });
  return { pruned: new PrunedRanges(marks.filter((_, index) => problems[index] === undefined)), findings };
}
