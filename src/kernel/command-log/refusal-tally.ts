import { randomUUIDv7 } from 'node:crypto';
import type { Logger } from 'pino';
import { timeOf } from '../bus/call.ts';
import type { CommandRecord } from './command-record.ts';
import type { CommandRecorder } from './command-recorder.ts';

/** How long a period lasts, in milliseconds. */
export const PERIOD = 60_000;
/** Refusals of one network, and of all together, that have a record of their own in each period on one instance. */
export const MOST_OF_ONE = 100;
export const MOST_OF_ALL = 1_000;
/** Kinds of refusals that are told apart by their network; those of further networks are counted as of any. */
const MOST_GROUPS = 100;

/** What refused commands have in common that are counted together. */
export type Refusal = Pick<CommandRecord, 'method' | 'outcome' | 'code' | 'reason'> & {
  /** Where they came from, see `networkOf`. */
  readonly network: string;
};

/** Marks, in the request of a record, how many refused commands it stands for. */
export const REFUSED = '@refused';

/**
 * Decides which refused commands have a record of their own, and counts the others. A stranger can have commands refused as fast as the
 * network carries them, and must not be able to fill the log with that. What is counted goes on record as well: one record for each kind of
 * refusal and network, with their number, at the end of each minute and when the program ends.
 */
export interface RefusalTally {
  /** True when the command is to have a record of its own. False when it was counted. */
  readonly admit: (refusal: Refusal) => boolean;
  /** How many were counted since the program began. */
  readonly counted: () => number;
  /** Puts on record what was counted so far, and ends the tally. */
  readonly close: () => Promise<void>;
}

export function createRefusalTally(parts: {
  recorder: Pick<CommandRecorder, 'record'>;
  logger: Pick<Logger, 'warn'>;
  periodMs?: number;
}): RefusalTally {
  const { recorder, logger, periodMs = PERIOD } = parts;
  let period = startPeriod();
  let groups = new Map<string, { readonly refusal: Refusal; count: number }>();
  let since = new Date();
  let total = 0;
  const timer = setInterval(() => void endPeriod(), periodMs).unref();

  function startPeriod(): { readonly byNetwork: Map<string, number>; ofAll: number } {
    return { byNetwork: new Map(), ofAll: 0 };
  }

  function count(refusal: Refusal, number: number): void {
    const { method, outcome, reason, network } = refusal;
    const key = JSON.stringify([method, outcome, reason, network]);
    const group = groups.get(key);
    if (group) group.count += number;
    else if (groups.size < MOST_GROUPS || network === '') groups.set(key, { refusal, count: number });
    else count({ ...refusal, network: '' }, number);
  }

  async function endPeriod(): Promise<void> {
    period = startPeriod();
    const ended = [...groups.values()];
    const range = { from: since, until: new Date() };
    groups = new Map();
    since = range.until;
    if (ended.length === 0) return;
    const refused = ended.reduce((sum, group) => sum + group.count, 0);
    logger.warn({ refused, kinds: ended.length }, 'refused commands were counted and not recorded one by one');
    await Promise.all(
      ended.map((group) =>
        recorder.record(summary(group, range)).catch(() => {
          // The recorder has logged why. The next summary stands for these, too.
          if (range.from < since) since = range.from;
          count(group.refusal, group.count);
        }),
      ),
    );
  }

  return {
    admit(refusal) {
      const ofNetwork = period.byNetwork.get(refusal.network) ?? 0;
      if (ofNetwork < MOST_OF_ONE && period.ofAll < MOST_OF_ALL) {
        period.byNetwork.set(refusal.network, ofNetwork + 1);
        period.ofAll += 1;
        return true;
      }
      count(refusal, 1);
      total += 1;
      return false;
    },
    counted: () => total,
    close: async () => {
      clearInterval(timer);
      await endPeriod();
    },
  };
}

function summary({ refusal, count }: { refusal: Refusal; count: number }, range: { from: Date; until: Date }): CommandRecord {
  const { network, ...kind } = refusal;
  const commandId = randomUUIDv7();
  return {
    ...kind,
    commandId,
    receivedAt: timeOf(commandId),
    principal: '',
    roles: [],
    session: '',
    request: JSON.stringify({ [REFUSED]: count, '@from': range.from.toISOString(), '@until': range.until.toISOString() }),
    requestExcerpt: true,
    personal: null,
    personalDigest: null,
    attempts: 1,
    durationUs: 0,
    traceId: '',
    peer: network,
    userAgent: '',
    issuer: '',
    causationId: null,
    correlationId: null,
    dryRun: false,
    answeredBy: undefined,
    target: undefined,
    owners: [],
  };
}
