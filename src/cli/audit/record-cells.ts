import { timestampDate } from '@bufbuild/protobuf/wkt';
import { type CommandRecord, Outcome } from '#gen/audit/v1/command_record_pb.js';
import { OWN_ISSUER } from '../../kernel/auth/access-token.ts';

/** What the columns of `recordCells` hold. */
export const RECORD_HEADINGS = ['TIME', 'OUTCOME', 'CODE', 'METHOD', 'PRINCIPAL', 'TARGET', 'DURATION', 'ID'];

/** A record as the cells of a line. `ownIssuer` is the service, whose tokens need no naming. */
export function recordCells(record: CommandRecord, ownIssuer: string = OWN_ISSUER): string[] {
  const { receivedAt, duration } = record;
  const milliseconds = duration ? Number(duration.seconds) * 1000 + duration.nanos / 1e6 : 0;
  return [
    receivedAt ? timestampDate(receivedAt).toISOString() : '',
    outcomeWord(record.outcome) + (record.dryRun ? ' (dry run)' : ''),
    record.code,
    record.method,
    // Of another issuer, the same id can be somebody else.
    record.principal + (record.issuer === '' || record.issuer === ownIssuer ? '' : ` (${record.issuer})`),
    record.aggregateId,
    `${milliseconds.toFixed(1)} ms`,
    record.commandId,
  ];
}

/** The outcomes in the words of the command line: `timed-out` for OUTCOME_TIMED_OUT. */
export const OUTCOME_WORDS: ReadonlyMap<string, Outcome> = new Map(
  Object.values(Outcome)
    .filter((outcome) => typeof outcome === 'number' && outcome !== Outcome.UNSPECIFIED)
    .map((outcome) => [outcomeWord(outcome as Outcome), outcome as Outcome]),
);

/** `timed-out` for OUTCOME_TIMED_OUT. */
export function outcomeWord(outcome: Outcome): string {
  return (Outcome[outcome] ?? '').toLowerCase().replaceAll('_', '-');
}
