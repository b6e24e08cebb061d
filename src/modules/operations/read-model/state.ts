import type { UnsealedRow } from '../../../kernel/command-log/seals/unsealed-tail.ts';
import type { MarkHolder } from '../../../kernel/database/mark-holder.ts';
import type { DatabaseState } from '../../../kernel/database/read/read-side.ts';
import type { Reader } from '../../../kernel/database/read/reader.ts';
import type { ProcessorState } from '../../../kernel/feed/processors/processor-states.ts';
import type { TimerCounts } from '../../../kernel/feed/timers/timer-counts.ts';
import type { UnnumberedRow } from '../../../kernel/feed/unnumbered.ts';
import { allInstances, type InstanceRow } from './instances.ts';
import { unsealedTail } from './log.ts';
import { allProcessors } from './processors.ts';
import { newestRebuilds, type RebuildRow } from './rebuilds.ts';
import { type SequencerRow, theSequencer, unnumbered } from './sequencer.ts';
import { timerCounts } from './timers.ts';

/** How all parts of the service are. */
export interface State {
  readonly databases: readonly DatabaseState[];
  readonly sequencer: SequencerRow;
  readonly waiting: UnnumberedRow;
  readonly instances: readonly InstanceRow[];
  readonly processors: readonly ProcessorState[];
  /** Those under way, and those that were the last of their projection and did not end well. */
  readonly rebuilds: readonly RebuildRow[];
  /** By who set them. */
  readonly timers: readonly TimerCounts[];
  readonly log: UnsealedRow;
  /** The oldest transaction that writes. */
  readonly heldUpBy: MarkHolder | undefined;
}

/** What the database knows, and what is known of it. One statement after the other, over one connection: nobody waits for this. */
export async function stateOf(read: Pick<Reader, 'rows'>, known: Pick<State, 'databases' | 'heldUpBy'>): Promise<State> {
  const [sequencer] = await read.rows(theSequencer);
  const [waiting] = await read.rows(unnumbered);
  const instances = await read.rows(allInstances);
  const processors = await read.rows(allProcessors);
  const rebuilds = await read.rows(newestRebuilds);
  const timers = await read.rows(timerCounts);
  const [log] = await read.rows(unsealedTail);
  if (!sequencer || !waiting || !log) throw new Error('the database has no row of the sequencer');
  return { ...known, sequencer, waiting, instances, processors, rebuilds: rebuilds.filter(isToldOf), timers, log };
}

const isToldOf = ({ state, difference_count }: RebuildRow): boolean =>
  state === 'running' || state === 'failed' || difference_count > 0;
