import type { MarkHolder } from '../../../kernel/database/mark-holder.ts';
import type { ProcessorState } from '../../../kernel/feed/processors/processor-states.ts';
import type { TimerCounts } from '../../../kernel/feed/timers/timer-counts.ts';
import type { RebuildRow } from './rebuilds.ts';
import type { State } from './state.ts';

/** Something that somebody has to look after. */
export interface Found {
  readonly subject: string;
  /** For people, with what to do. */
  readonly description: string;
}

/** What does its work does it within this time, in seconds: numbers within milliseconds, seals and projections within a second or so. */
const LATE = 10;

/** The worst first: what fails for callers, what does not go on, what waits for a decision. */
export function problemsOf(state: State): Found[] {
  const { rebuilds, instances } = state;
  const processors = state.processors.filter(({ known }) => known);
  const alive = new Set(instances.filter((instance) => instance.alive).map(({ id }) => id));
  const isOwned = ({ owner }: { owner: string | null }): boolean => owner !== null && alive.has(owner);
  const now = state.sequencer.read_at;
  return [
    ...databaseProblems(state),
    ...sequencerProblems(state),
    ...processors.flatMap(failure),
    ...processors.flatMap(deadLetters),
    ...processors.flatMap((processor) => delay(processor, isOwned(processor))),
    ...state.timers.flatMap(timerProblems),
    ...rebuilds.flatMap((rebuild) => rebuildProblem(rebuild, { isOwned: isOwned(rebuild), now })),
    ...logProblems(state),
    ...processors.flatMap(pause),
    ...instanceProblems(state),
  ];
}

const databaseProblems = ({ databases }: State): Found[] =>
  databases
    .filter(({ isUp }) => !isUp)
    .map(({ name, lag }) => ({
      subject: `database ${name}`,
      description: lag ? 'is not read from: it does not answer, or is too far behind' : 'is unavailable: commands fail',
    }));

function sequencerProblems({ waiting: { events, age } }: State): Found[] {
  if (age <= LATE) return [];
  const waiting = `${counted(events, 'event')} without a number, the oldest for ${spanOf(age)}`;
  return [{ subject: 'sequencer', description: `${waiting}: nobody who reads the feed sees them` }];
}

/** As people call it: a partition is named where there are several. */
const subjectOf = ({ kind, name, partition, partitions }: ProcessorState): string =>
  partitions > 1 ? `${kind} ${name}, partition ${partition}` : `${kind} ${name}`;

function failure(processor: ProcessorState): Found[] {
  if (processor.failing_since === null || processor.paused) return [];
  return [{ subject: subjectOf(processor), description: `fails and tries again: ${processor.error ?? 'it does not say why'}` }];
}

function deadLetters(processor: ProcessorState): Found[] {
  if (processor.dead_letters === '0') return [];
  const parked = `has parked ${counted(processor.dead_letters, 'event')}`;
  return [{ subject: subjectOf(processor), description: `${parked}: \`bicameral dead-letters list\` says why` }];
}

function delay(processor: ProcessorState, isOwned: boolean): Found[] {
  if (processor.paused || processor.failing_since !== null || processor.lag_seconds <= LATE) return [];
  const behind = `is ${counted(processor.lag_events, 'event')} behind, the oldest of ${spanOf(processor.lag_seconds)} ago`;
  return [{ subject: subjectOf(processor), description: isOwned ? behind : `${behind}: no instance works on it` }];
}

function timerProblems({ process, due, failed, late_seconds }: TimerCounts): Found[] {
  const subject = `timers of ${process}`;
  return [
    ...(failed > 0
      ? [{ subject, description: `${failed.toLocaleString('en')} failed: \`bicameral timers list --state failed\` says why` }]
      : []),
    ...(late_seconds > LATE
      ? [
          {
            subject,
            description: `${counted(due, 'command')} not done, due for up to ${spanOf(late_seconds)}: \`bicameral timers list --state due\` says why`,
          },
        ]
      : []),
  ];
}

function pause(processor: ProcessorState): Found[] {
  if (!processor.paused) return [];
  const paused = `is paused, ${counted(processor.lag_events, 'event')} behind`;
  return [{ subject: subjectOf(processor), description: `${paused}: \`bicameral ${processor.kind} resume ${processor.name}\`` }];
}

function rebuildProblem(rebuild: RebuildRow, { isOwned, now }: { isOwned: boolean; now: Date }): Found[] {
  const subject = `${rebuild.verify ? 'verification' : 'rebuild'} of ${rebuild.projection}`;
  const silent = (now.getTime() - rebuild.updated_at.getTime()) / 1000;
  switch (rebuild.state) {
    case 'failed':
      return [{ subject, description: `failed: ${rebuild.error ?? 'it does not say why'}` }];
    case 'running': {
      if (silent <= LATE) return [];
      const stands = `has not moved for ${spanOf(silent)}`;
      return [{ subject, description: isOwned ? stands : `${stands}: no instance works on it` }];
    }
    case 'done': {
      const found = `found ${counted(rebuild.difference_count, 'difference')}`;
      return [
        { subject, description: `${found}: \`bicameral projection rebuild ${rebuild.projection}\` makes the tables again` },
      ];
    }
    case 'cancelled':
      return [];
  }
}

function logProblems({ log: { records, age }, heldUpBy }: State): Found[] {
  if (age <= LATE) return [];
  const waiting = `${counted(records, 'record')} without a seal, the oldest for ${spanOf(age)}`;
  return [{ subject: 'log of commands', description: heldUpBy ? `${waiting}: held up by ${holderOf(heldUpBy)}` : waiting }];
}

/** As it is found in pg_stat_activity or pg_prepared_xacts. */
function holderOf({ pid, prepared, database, user, seconds }: MarkHolder): string {
  const who = prepared === undefined ? `the server process ${pid}` : `the prepared transaction ${prepared}`;
  return `${who} (${user} in ${database}), whose transaction is open for ${spanOf(seconds)}`;
}

/** One that was ended by force is told of for so long, in seconds. */
const TOLD = 300;

function instanceProblems({ instances, sequencer: { read_at } }: State): Found[] {
  const silent = instances.map((instance) => ({ ...instance, seconds: (read_at.getTime() - instance.seen_at.getTime()) / 1000 }));
  return silent
    .filter(({ alive, seconds }) => !alive && seconds < TOLD)
    .map(({ host, pid, seconds }) => ({
      subject: `instance ${pid} on ${host}`,
      description: `was last seen ${spanOf(seconds)} ago: it did not stop as it should`,
    }));
}

function counted(number: string | number, what: string): string {
  const count = Number(number);
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;
}

/** `12 s`, `3 min`, `2 h`, `4 d`. */
function spanOf(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
