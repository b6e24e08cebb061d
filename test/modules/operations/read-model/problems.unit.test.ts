import { describe, expect, it } from '@jest/globals';
import type { ProcessorState } from '../../../../src/kernel/feed/processors/processor-states.ts';
import { problemsOf } from '../../../../src/modules/operations/read-model/problems.ts';
import type { State } from '../../../../src/modules/operations/read-model/state.ts';

const NOW = new Date('2026-12-01T12:00:00Z');
const ago = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1000);

const FINE: State = {
  databases: [
    { name: 'primary', isUp: true },
    { name: 'replica-1', isUp: true, lag: { bytes: 0, seconds: 0 } },
  ],
  sequencer: { read_at: NOW, last_sequence: '10', numbered_at: NOW },
  waiting: { events: 2, age: 0.2 },
  instances: [
    { id: 'a', host: 'one', pid: 11, version: '', started_at: NOW, seen_at: NOW, alive: true, processors: 1 },
    { id: 'b', host: 'two', pid: 22, version: '', started_at: NOW, seen_at: ago(3000), alive: false, processors: 0 },
  ],
  processors: [],
  rebuilds: [],
  timers: [
    { process: 'payment', waiting: 7, due: 2, failed: 0, late_seconds: 0.5, next_due_at: NOW },
    { process: 'reminder', waiting: 1, due: 0, failed: 0, late_seconds: 0, next_due_at: NOW },
  ],
  log: { records: 3, age: 1 },
  heldUpBy: { transaction: '1', pid: 4711, prepared: undefined, database: 'shop', user: 'clerk', seconds: 90 },
};

const processor = (fields: Partial<ProcessorState>): ProcessorState => ({
  name: 'sales',
  kind: 'projection',
  partition: 0,
  partitions: 1,
  owner: 'a',
  checkpoint: '5',
  checkpoint_at: NOW,
  lag_events: '5',
  lag_seconds: 1,
  paused: false,
  attempts: 0,
  failing_since: null,
  failing_seconds: 0,
  error: null,
  retry_at: null,
  dead_letters: '0',
  known: true,
  ...fields,
});

const found = (fields: Partial<State>): string[] =>
  problemsOf({ ...FINE, ...fields }).map(({ subject, description }) => `${subject} ${description}`);

describe('the problems of a service', () => {
  it('are none where each part keeps up, whatever ended long ago', () => {
    expect(found({ processors: [processor({})] })).toEqual([]);
  });

  it.each<[string, Partial<State>, string]>([
    ['a primary', { databases: [{ name: 'primary', isUp: false }] }, 'database primary is unavailable: commands fail'],
    [
      'a replica',
      { databases: [{ name: 'replica-1', isUp: false, lag: { bytes: 1, seconds: 20 } }] },
      'database replica-1 is not read from: it does not answer, or is too far behind',
    ],
    [
      'numbers',
      { waiting: { events: 1, age: 11 } },
      'sequencer 1 event without a number, the oldest for 11 s: nobody who reads the feed sees them',
    ],
    [
      'a processor that is behind',
      { processors: [processor({ lag_seconds: 180 })] },
      'projection sales is 5 events behind, the oldest of 3 min ago',
    ],
    [
      'one that nobody works on',
      { processors: [processor({ lag_seconds: 180, owner: 'b' })] },
      'projection sales is 5 events behind, the oldest of 3 min ago: no instance works on it',
    ],
    [
      'timers that are late',
      { timers: [{ process: 'payment', waiting: 7, due: 2, failed: 0, late_seconds: 240, next_due_at: NOW }] },
      'timers of payment 2 commands not done, due for up to 4 min: `bicameral timers list --state due` says why',
    ],
    [
      'timers that failed',
      { timers: [{ process: 'payment', waiting: 0, due: 0, failed: 1200, late_seconds: 0, next_due_at: null }] },
      'timers of payment 1,200 failed: `bicameral timers list --state failed` says why',
    ],
    [
      'a rebuild that stands still',
      {
        rebuilds: [
          {
            id: 'r',
            projection: 'sales',
            verify: false,
            state: 'running',
            step: '',
            done: '1',
            total: '2',
            owner: null,
            started_at: ago(100),
            updated_at: ago(60),
            finished_at: null,
            error: null,
            difference_count: 0,
          },
        ],
      },
      'rebuild of sales has not moved for 60 s: no instance works on it',
    ],
    [
      'seals, with who holds them up',
      { log: { records: 1200, age: 7200 } },
      'log of commands 1,200 records without a seal, the oldest for 2 h: held up by the server process 4711 (clerk in shop), whose transaction is open for 90 s',
    ],
  ])('tell of %s', (_, fields, problem) => {
    expect(found(fields)).toEqual([problem]);
  });

  it('do not tell of what was taken out of the program', () => {
    expect(found({ processors: [processor({ known: false, lag_seconds: 1e6, dead_letters: '3', paused: true })] })).toEqual([]);
  });
});
