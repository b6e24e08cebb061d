import { inspect, isDeepStrictEqual } from 'node:util';
import type { LoadResult } from './load/run-load.ts';
import type { Subject } from './subjects/subject.ts';

/** What a contender answered in one round. */
export interface Sample {
  readonly name: string;
  readonly question: string;
  readonly answer: unknown;
  /** A call, on average. */
  readonly bytes: number;
}

/**
 * Equal messages may be encoded in slightly different ways, and on a busy machine a round ends in the middle of many answers; an error
 * of gRPC has no bytes of answer at all.
 */
const SIZE_TOLERANCE = 0.5;

const COMPACT = { depth: 5, compact: true, breakLength: Number.POSITIVE_INFINITY };

/** Adds what is wrong with the answers that h2load counted. */
export function checkResult(name: string, { failed, answered }: LoadResult, problems: Set<string>): void {
  if (failed > 0) problems.add(`${name}: calls failed`);
  if (answered === 0) problems.add(`${name} answered nothing`);
}

/** Adds the errors that the subject itself logged. */
export async function checkFailures(subject: Subject, problems: Set<string>): Promise<void> {
  for (const code of new Set(await subject.takeFailures())) problems.add(`${subject.name}: calls failed with ${code}`);
}

/** Adds where contenders answered the same question differently. */
export function checkAnswers(samples: readonly Sample[], problems: Set<string>): void {
  for (const [question, [first, ...others]] of Map.groupBy(samples, (sample) => sample.question)) {
    for (const other of others) {
      if (!first) continue;
      const pair = `${question} ${first.name} and ${other.name}`.trim();
      if (!isDeepStrictEqual(first.answer, other.answer))
        problems.add(`${pair} answer differently: ${inspect(first.answer, COMPACT)} and ${inspect(other.answer, COMPACT)}`);
      if (Math.abs(first.bytes - other.bytes) > SIZE_TOLERANCE * Math.max(first.bytes, other.bytes))
        problems.add(`${pair} answer with ${first.bytes.toFixed(0)} and ${other.bytes.toFixed(0)} bytes a call`);
    }
  }
}
