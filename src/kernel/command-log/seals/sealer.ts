import type pg from 'pg';
import type { Logger } from 'pino';
import type { SigningKey } from '../../auth/signing-key.ts';
import { type Loop, loop } from '../../background/loop.ts';
import { MAX_BATCH_SIZE } from './batch.ts';
import { type LogRestored, type SealRoundParts, sealRound } from './seal-round.ts';
import type { VerifyingKeys } from './signature.ts';
import type { DistrustedBatch } from './where-to-go-on.ts';

export interface Sealer extends Pick<Loop, 'stop'> {
  /** Seals what was committed up to now, and returns how many records that was. Rejects when the round fails. */
  readonly sealNow: () => Promise<number>;
}

/** What the sealing comes to. */
export interface SealReport {
  /** `sealed` is undefined when the round failed. */
  readonly round: (round: { readonly seconds: number; readonly sealed: number | undefined }) => void;
  readonly distrusted: () => void;
}

export interface SealerOptions {
  /** The primary, as the writer. One connection is enough. */
  readonly pool: pg.Pool;
  /** Signs. */
  readonly key: SigningKey;
  /** Whose batches are gone on from: see `SealRoundParts`. */
  readonly keys?: VerifyingKeys;
  readonly logger: Pick<Logger, 'error' | 'warn' | 'info'>;
  /** Told of every round, and of a batch of seals that somebody else wrote. */
  readonly report?: SealReport;
  /** From the end of one round to the start of the next, in milliseconds. A round that had much to do is followed at once. */
  readonly intervalMs?: number;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** See `SealRoundParts`. */
  readonly watch?: SealRoundParts['watch'];
}

/**
 * Seals the log of commands in the background. Every instance runs one, and one of them at a time seals. A failing round is tried
 * again at the interval and logged once an outage; nothing is lost meanwhile, because a round takes all that is not sealed.
 */
export function startSealer(options: SealerOptions): Sealer {
  const { pool, key, keys, logger, report, intervalMs = 250, now = Date.now, watch } = options;
  let distrusted: number | undefined;

  /** Once a batch: until there is something to seal behind it, every round meets it again. */
  function onDistrust({ batch, problem }: DistrustedBatch): void {
    if (distrusted === batch) return;
    distrusted = batch;
    report?.distrusted();
    logger.error(
      { batch, problem },
      'somebody else wrote the newest batch of seals; sealing goes on behind it. Unless a signing key was given up, change the password of DATABASE_URL, and see `bicameral audit verify`',
    );
  }

  const onRestore = ({ batch, unsealed }: LogRestored): void =>
    logger.warn(
      { batch, unsealed },
      'the command log was restored into another cluster; sealing goes on here, behind a mark that says so. The records that had no seal by then have one now',
    );

  async function round(): Promise<number> {
    const started = performance.now();
    const ended = (sealed: number | undefined): void => report?.round({ seconds: (performance.now() - started) / 1000, sealed });
    try {
      const sealed = await sealRound({ pool, key, keys, now, onDistrust, onRestore, watch });
      ended(sealed);
      return sealed;
    } catch (error) {
      ended(undefined);
      throw error;
    }
  }

  const sealing = loop({
    name: 'sealer',
    every: intervalMs,
    outage: { logger, fails: 'the command log cannot be sealed', works: 'the command log is sealed again' },
    round: async () => {
      const sealed = await round();
      if (sealed >= MAX_BATCH_SIZE) sealing.wake();
      return sealed;
    },
  });
  return { sealNow: async () => (await sealing.next()) ?? 0, stop: sealing.stop };
}
