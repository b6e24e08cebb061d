import type { Registry } from '@bufbuild/protobuf';
import type { Logger } from 'pino';
import { type Connection, withSettings } from '../database/connection.ts';
import { type ConnectionPool, createPool, REBUILD_CONNECTIONS } from '../database/pool.ts';
import type { ReadSide } from '../database/read/read-side.ts';
import { ormTypes, type WriteSide } from '../database/write/write-side.ts';
import { startInstance } from '../feed/instances.ts';
import { type FeedNews, startNews } from '../feed/news.ts';
import type { FeedHandler } from '../feed/processors/feed-handler.ts';
import type { BatchReport } from '../feed/processors/processor.ts';
import { PROCESSOR_SESSION } from '../feed/processors/processor-statements.ts';
import { startProcessors } from '../feed/processors/processors.ts';
import type { Rebuildable } from '../feed/rebuild/rebuildable.ts';
import { REBUILD_SESSION, startRebuilds } from '../feed/rebuild/rebuilds.ts';
import { type NumberingRound, startSequencer } from '../feed/sequencer.ts';
import { type FiredTimer, startTimers, type TimersOptions } from '../feed/timers/timers.ts';
import { type Unnumbered, unnumberedEvents } from '../feed/unnumbered.ts';
import { type FeedWork, feedWork } from '../feed/work.ts';
import type { Instruments } from '../telemetry/metrics/instruments.ts';
import type { Stops } from './stops.ts';

/** What numbers the events and has them processed, running. */
export interface RunningFeed {
  /** To be called when this instance has committed events. */
  readonly wake: () => void;
  readonly news: FeedNews;
  readonly unnumbered: () => Promise<Unnumbered>;
  readonly work: () => Promise<FeedWork>;
  /** Its connections to the primary: counted in `mostConnections`. */
  readonly pools: readonly ConnectionPool[];
  /** Has the events processed: the last thing before the doors open, when the bus is there. */
  readonly process: (work: {
    readonly handlers: readonly FeedHandler[];
    readonly projections: ReadonlyMap<string, Rebuildable>;
    readonly timers: Pick<TimersOptions, 'processes' | 'methods' | 'transport' | 'permissions'>;
  }) => Promise<void>;
}

export function startFeed(parts: {
  writer: Connection;
  /** For the batches of processors: see `poolSizes`. */
  batches: number;
  version: string;
  eventTypes: Registry;
  writes: WriteSide;
  reads: ReadSide;
  metrics: Instruments;
  logger: Logger;
  stops: Stops;
}): RunningFeed {
  const { writer, batches, version, eventTypes, writes, reads, metrics, logger, stops } = parts;
  // A connection of its own: numbers wait for no command, no seal and no processor.
  const sequencerPool = createPool(writer, { name: 'sequencer', max: 1, readOnly: false });
  const sequencer = startSequencer({ pool: sequencerPool, logger, report: told(metrics) });
  // Together, so that a round that waits for a database that hangs is cut off.
  stops.briefly('sequencer', () => Promise.all([sequencer.stop(), sequencerPool.close()]));
  const batchPool = createPool(withSettings(writer, PROCESSOR_SESSION), { name: 'processors', max: batches, readOnly: false });
  stops.briefly('connections of processors', () => batchPool.close());
  const rebuildPool = createPool(withSettings(writer, REBUILD_SESSION), {
    name: 'rebuilds',
    max: REBUILD_CONNECTIONS,
    readOnly: false,
    unlimited: true,
    types: ormTypes(),
  });
  stops.briefly('connections of rebuilds', () => rebuildPool.close());
  const news = startNews({ pool: reads.watching, logger });
  stops.briefly('news of the feed', news.stop);

  async function process({ handlers, projections, timers }: Parameters<RunningFeed['process']>[0]): Promise<void> {
    // Short statements, as those of the sequencer: a batch holds up no sign of life.
    const instance = await startInstance({ pool: sequencerPool, version, processors: handlers.map(({ name }) => name), logger });
    stops.briefly('instance', instance.stop);
    for (const { name } of handlers) expectReports(metrics, name);
    for (const process of timers.processes) for (const outcome of FIRED) metrics.firedTimers.inc({ process, outcome }, 0);
    const firing = startTimers({ ...timers, instance: instance.id, pool: batchPool, logger, report: fired(metrics) });
    stops.briefly('timers', firing.stop);
    const report = reported(metrics);
    const options = {
      handlers,
      instance: instance.id,
      pool: batchPool,
      lookPool: sequencerPool,
      news,
      eventTypes,
      logger,
      report,
      onTimers: firing.wake,
    };
    const processors = await startProcessors(options);
    stops.briefly('processors', processors.stop);
    const rebuilds = startRebuilds({
      projections,
      instance: instance.id,
      pool: rebuildPool,
      lookPool: sequencerPool,
      rowsOf: writes.rowsOf,
      eventTypes,
      logger,
    });
    stops.briefly('rebuilds', rebuilds.stop);
  }
  return {
    wake: sequencer.wake,
    news,
    unnumbered: () => unnumberedEvents(reads.watching),
    work: () => feedWork(reads.watching),
    pools: [sequencerPool, batchPool, rebuildPool],
    process,
  };
}

const told =
  (metrics: Instruments) =>
  ({ seconds, numbered, delaySeconds }: NumberingRound): void => {
    const outcome = numbered === undefined ? 'failed' : numbered === 'busy' ? 'busy' : 'ok';
    metrics.feedRounds.inc({ outcome });
    metrics.feedRoundSeconds.observe({ value: seconds });
    if (typeof numbered === 'number') metrics.numberedEvents.inc(numbered);
    if (delaySeconds !== undefined) metrics.numberingDelay.observe({ value: delaySeconds });
  };

/** Counts begin at 0, so that the first failure is an increase. */
function expectReports(metrics: Instruments, processor: string): void {
  for (const counter of [metrics.processedEvents, metrics.processorFailures, metrics.parkedEvents]) counter.inc({ processor }, 0);
}

const reported =
  (metrics: Instruments) =>
  ({ processor, outcome, events, seconds }: BatchReport): void => {
    if (outcome === 'failed') metrics.processorFailures.inc({ processor });
    else if (outcome === 'parked') metrics.parkedEvents.inc({ processor });
    else {
      metrics.processedEvents.inc({ processor }, events);
      metrics.batchSeconds.observe({ labels: { processor }, value: seconds });
    }
  };

const FIRED: readonly FiredTimer['outcome'][] = ['done', 'refused', 'later', 'failed'];

const fired =
  (metrics: Instruments) =>
  ({ process, outcome, lateSeconds }: FiredTimer): void => {
    metrics.firedTimers.inc({ process, outcome });
    if (outcome === 'done') metrics.timerDelay.observe({ labels: { process }, value: lateSeconds });
  };
