import type { Logger } from 'pino';
import type { Connection } from '../database/connection.ts';
import { type ConnectionPool, createPool } from '../database/pool.ts';
import type { ReadSide } from '../database/read/read-side.ts';
import { type FeedNews, startNews } from '../feed/news.ts';
import { startSequencer } from '../feed/sequencer.ts';
import type { Instruments } from '../telemetry/metrics/instruments.ts';
import type { Stops } from './stops.ts';

/** What numbers the events and has them processed, running. */
export interface RunningFeed {
  /** To be called when this instance has committed events. */
  readonly wake: () => void;
  readonly news: FeedNews;
  /** Its connections to the primary: counted in `mostConnections`. */
  readonly pools: readonly ConnectionPool[];
}

export function startFeed(parts: {
  writer: Connection;
  reads: ReadSide;
  metrics: Instruments;
  logger: Logger;
  stops: Stops;
}): RunningFeed {
  const { writer, reads, logger, stops } = parts;
  // A connection of its own: numbers wait for no command, no seal and no processor.
  const sequencerPool = createPool(writer, { name: 'sequencer', max: 1, readOnly: false });
  const sequencer = startSequencer({ pool: sequencerPool, logger });
  // Together, so that a round that waits for a database that hangs is cut off.
  stops.briefly('sequencer', () => Promise.all([sequencer.stop(), sequencerPool.close()]));
  const news = startNews({ pool: reads.watching, logger });
  stops.briefly('news of the feed', news.stop);
  return { wake: sequencer.wake, news, pools: [sequencerPool] };
}
