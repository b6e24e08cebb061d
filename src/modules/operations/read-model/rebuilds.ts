import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { DifferenceKind, type RebuildDifferenceSchema, type RebuildSchema, RebuildState } from '#gen/operations/v1/rebuild_pb.js';
import { durationOf } from './duration-of.ts';
import { statement } from './statement.ts';

export interface RebuildRow {
  readonly id: string;
  readonly projection: string;
  readonly verify: boolean;
  readonly state: keyof typeof STATES;
  readonly step: string;
  readonly done: string;
  readonly total: string;
  readonly owner: string | null;
  readonly started_at: Date;
  readonly updated_at: Date;
  readonly finished_at: Date | null;
  readonly error: string | null;
  readonly difference_count: number;
}

/** As stored in cqrs.rebuild. */
interface Difference {
  readonly table: string;
  readonly key: string;
  readonly kind: keyof typeof KINDS;
  readonly columns?: readonly string[];
}

const STATES = {
  running: RebuildState.RUNNING,
  done: RebuildState.DONE,
  cancelled: RebuildState.CANCELLED,
  failed: RebuildState.FAILED,
} as const;

const KINDS = {
  missing: DifferenceKind.MISSING,
  surplus: DifferenceKind.SURPLUS,
  changed: DifferenceKind.CHANGED,
} as const;

const COLUMNS = `id, projection, verify, state, step, done, total, owner, started_at, updated_at, finished_at, error,
    coalesce(difference_count, jsonb_array_length(differences), 0)::integer as difference_count`;

/** Of each projection the newest. */
export const newestRebuilds = statement<RebuildRow>(
  `select distinct on (projection) ${COLUMNS} from cqrs.rebuild order by projection, started_at desc, id desc`,
);

export const rebuildById = statement<RebuildRow & { readonly differences: readonly Difference[] | null }>(
  `select ${COLUMNS}, differences from cqrs.rebuild where id = $1`,
);

export function toRebuild(
  row: RebuildRow & { readonly differences?: readonly Difference[] | null },
): MessageInitShape<typeof RebuildSchema> {
  const { done, total, perSecond, secondsLeft } = progressOf(row);
  return {
    rebuildId: row.id,
    projection: row.projection,
    verify: row.verify,
    state: STATES[row.state],
    step: row.step,
    done: BigInt(done),
    total: BigInt(total),
    perSecond,
    ...(secondsLeft !== undefined && { timeLeft: durationOf(secondsLeft) }),
    instanceId: row.owner ?? '',
    startedAt: timestampFromDate(row.started_at),
    updatedAt: timestampFromDate(row.updated_at),
    ...(row.finished_at && { finishedAt: timestampFromDate(row.finished_at) }),
    error: row.error ?? '',
    differences: (row.differences ?? []).map(toDifference),
    differenceCount: BigInt(row.difference_count),
  };
}

/** What is left, at the rate of the whole run until now. */
export function progressOf(row: Pick<RebuildRow, 'state' | 'done' | 'total' | 'started_at' | 'updated_at'>): {
  readonly done: number;
  readonly total: number;
  readonly perSecond: number;
  readonly secondsLeft: number | undefined;
} {
  const done = Number(row.done);
  const total = Math.max(done, Number(row.total));
  const seconds = (row.updated_at.getTime() - row.started_at.getTime()) / 1000;
  const perSecond = seconds > 0 ? done / seconds : 0;
  const isKnown = row.state === 'running' && perSecond > 0;
  return { done, total, perSecond, secondsLeft: isKnown ? (total - done) / perSecond : undefined };
}

const toDifference = ({ table, key, kind, columns = [] }: Difference): MessageInitShape<typeof RebuildDifferenceSchema> => ({
  table,
  key,
  kind: KINDS[kind],
  columns: [...columns],
});
