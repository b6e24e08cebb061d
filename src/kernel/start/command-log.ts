import type { Logger } from 'pino';
import type { KeyRing } from '../auth/key-ring.ts';
import { type CommandRecorder, createCommandRecorder } from '../command-log/command-recorder.ts';
import type { OwnerDigest } from '../command-log/personal-owner.ts';
import { createRefusalTally, type RefusalTally } from '../command-log/refusal-tally.ts';
import { startSealer } from '../command-log/seals/sealer.ts';
import type { Connection } from '../database/connection.ts';
import { type ConnectionPool, createPool } from '../database/pool.ts';
import type { WriteSide } from '../database/write/write-side.ts';
import type { Instruments } from '../telemetry/metrics/instruments.ts';
import { sealingSpan } from '../telemetry/sealing-span.ts';
import type { Stops } from './stops.ts';

/** What keeps the log of commands, running. */
export interface RunningLog {
  readonly recorder: CommandRecorder;
  readonly refusals: RefusalTally;
  readonly sealerPool: ConnectionPool;
}

export function startCommandLog(parts: {
  writes: WriteSide;
  writer: Connection;
  ring: KeyRing;
  ownerDigest: OwnerDigest;
  metrics: Instruments;
  logger: Logger;
  stops: Stops;
}): RunningLog {
  const { writes, writer, ring, ownerDigest, metrics, logger, stops } = parts;
  const recorder = createCommandRecorder({ pool: writes.recordPool, logger, ownerDigest });
  stops.briefly('command recorder', recorder.close);
  const refusals = createRefusalTally({ recorder, logger });
  stops.briefly('refusals', refusals.close);
  // A connection of its own: a round that has much to do takes none from the commands.
  const sealerPool = createPool(writer, { name: 'sealer', max: 1, readOnly: false });
  const sealer = startSealer({
    pool: sealerPool,
    key: ring.current,
    keys: ring.all,
    logger,
    watch: sealingSpan,
    report: {
      round: ({ seconds, sealed }) => {
        metrics.sealRounds.inc({ outcome: sealed === undefined ? 'failed' : 'ok' });
        metrics.sealSeconds.observe({ value: seconds });
        metrics.sealed.inc(sealed ?? 0);
      },
      distrusted: () => metrics.damage.inc({ kind: 'seals' }),
    },
  });
  // Together, so that a round that waits for a database that hangs is cut off.
  stops.briefly('sealer', () => Promise.all([sealer.stop(), sealerPool.close()]));
  return { recorder, refusals, sealerPool };
}
