import { statfs } from 'node:fs/promises';
import type { Instruments } from './instruments.ts';

/** Where the gauges are read from, whenever somebody looks. */
export interface StateSources {
  readonly inFlight: Readonly<Record<'command' | 'query' | 'stream', { readonly inFlight: number; readonly limit: number }>>;
  readonly pools: readonly {
    readonly load: {
      readonly name: string;
      readonly used: number;
      readonly idle: number;
      readonly waiting: number;
      readonly limit: number;
    };
  }[];
  /** The primary first. */
  readonly databases: readonly {
    readonly name: string;
    readonly isUp: () => boolean;
    /** Of a replica. */
    readonly lag?: () => { readonly bytes: number; readonly seconds: number };
  }[];
  readonly hashing: () => { readonly running: number; readonly waiting: number };
  readonly unsealed: () => Promise<{ readonly records: number; readonly ageSeconds: number }>;
  /** The transaction that holds up the seals. */
  readonly heldUpBy: () => { readonly pid: number | undefined; readonly seconds: number } | undefined;
  readonly feed: {
    readonly news: { readonly lastSequence: number };
    readonly unnumbered: () => Promise<{ readonly events: number; readonly ageSeconds: number }>;
    readonly work: () => Promise<{
      /** A partition each. */
      readonly processors: readonly {
        readonly name: string;
        readonly lag_events: string;
        readonly lag_seconds: number;
        readonly paused: boolean;
        readonly failing_seconds: number;
        readonly dead_letters: string;
      }[];
      /** Of each projection the newest. */
      readonly rebuilds: readonly {
        readonly projection: string;
        readonly state: string;
        readonly done: string;
        readonly total: string;
      }[];
      readonly instances: { readonly alive: number; readonly gone: number };
      /** By who set them. */
      readonly timers: readonly {
        readonly process: string;
        readonly waiting: number;
        readonly due: number;
        readonly failed: number;
        readonly late_seconds: number;
      }[];
    }>;
  };
  /** What answers that are kept take, in bytes. */
  readonly cachedBytes: () => number;
  /** Since the process began. */
  readonly lostSpans: () => number;
  /** Undefined when PostgreSQL is not on this machine. */
  readonly dataDir: string | undefined;
}

/** What is asked of the database or the operating system is asked again after this time at the soonest, in milliseconds. */
const KEPT = 5_000;

/** Answers a function that brings the gauges up to date. It never rejects: what cannot be told now keeps its last value. */
export function createStateReader(metrics: Instruments, sources: StateSources): () => Promise<void> {
  let lostSpans = 0;
  let looked: { readonly at: number; readonly done: Promise<void> } | undefined;

  for (const kind of Object.keys(sources.inFlight)) metrics.shed.inc({ kind }, 0);
  for (const { name } of sources.databases) {
    metrics.served.inc({ database: name }, 0);
    metrics.fallbacks.inc({ database: name }, 0);
  }
  for (const outcome of ['ok', 'failed']) metrics.sealRounds.inc({ outcome }, 0);
  for (const outcome of ['ok', 'busy', 'failed']) metrics.feedRounds.inc({ outcome }, 0);
  for (const kind of ['seals', 'verification']) metrics.damage.inc({ kind }, 0);

  function readMemory(): void {
    for (const [kind, { inFlight, limit }] of Object.entries(sources.inFlight)) {
      metrics.inFlight.set({ kind }, inFlight);
      metrics.inFlightLimit.set({ kind }, limit);
    }
    for (const { load } of sources.pools) {
      metrics.poolConnections.set({ pool: load.name, state: 'used' }, load.used);
      metrics.poolConnections.set({ pool: load.name, state: 'idle' }, load.idle);
      metrics.poolWaiting.set({ pool: load.name }, load.waiting);
      metrics.poolLimit.set({ pool: load.name }, load.limit);
    }
    for (const { name, isUp, lag } of sources.databases) {
      metrics.databaseUp.set({ database: name }, isUp() ? 1 : 0);
      if (!lag) continue;
      const { bytes, seconds } = lag();
      metrics.replicaLagBytes.set({ database: name }, bytes);
      metrics.replicaLagSeconds.set({ database: name }, seconds);
    }
    metrics.lostSpans.inc(sources.lostSpans() - lostSpans);
    lostSpans = sources.lostSpans();
    metrics.queryCacheBytes.set(sources.cachedBytes());
    const { running, waiting } = sources.hashing();
    metrics.hashRunning.set(running);
    metrics.hashWaiting.set(waiting);
    metrics.feedLast.set(sources.feed.news.lastSequence);
    const holder = sources.heldUpBy();
    metrics.heldUpPid.set(holder?.pid ?? 0);
    metrics.heldUpSeconds.set(holder?.seconds ?? 0);
  }

  async function look(): Promise<void> {
    const { records, ageSeconds } = await sources.unsealed();
    metrics.unsealedRecords.set(records);
    metrics.unsealedSeconds.set(ageSeconds);
  }

  async function lookAtFeed(): Promise<void> {
    const { events, ageSeconds } = await sources.feed.unnumbered();
    metrics.unnumberedEvents.set(events);
    metrics.unnumberedSeconds.set(ageSeconds);
  }

  async function lookAtWork(): Promise<void> {
    const { processors, rebuilds, instances, timers } = await sources.feed.work();
    // One that is no longer there is not told of.
    for (const gauge of [metrics.processorLagEvents, metrics.processorLagSeconds, metrics.processorPaused]) gauge.reset();
    for (const gauge of [metrics.processorFailing, metrics.deadLetters, metrics.rebuildFailed, metrics.rebuildDone])
      gauge.reset();
    for (const gauge of [metrics.timers, metrics.timersLate]) gauge.reset();
    for (const [processor, partitions] of Map.groupBy(processors, ({ name }) => name)) {
      const most = (of: (partition: (typeof partitions)[number]) => number): number => Math.max(...partitions.map(of));
      metrics.processorLagEvents.set(
        { processor },
        most(({ lag_events }) => Number(lag_events)),
      );
      metrics.processorLagSeconds.set(
        { processor },
        most(({ lag_seconds }) => lag_seconds),
      );
      metrics.processorPaused.set(
        { processor },
        most(({ paused }) => (paused ? 1 : 0)),
      );
      metrics.processorFailing.set(
        { processor },
        most(({ paused, failing_seconds }) => (paused ? 0 : failing_seconds)),
      );
      metrics.deadLetters.set(
        { processor },
        partitions.reduce((sum, { dead_letters }) => sum + Number(dead_letters), 0),
      );
    }
    for (const { projection, state, done, total } of rebuilds) {
      metrics.rebuildFailed.set({ projection }, state === 'failed' ? 1 : 0);
      if (state === 'running') metrics.rebuildDone.set({ projection }, Number(total) > 0 ? Number(done) / Number(total) : 0);
    }
    for (const { process, late_seconds, waiting, due, failed } of timers) {
      for (const [state, count] of Object.entries({ waiting, due, failed })) metrics.timers.set({ process, state }, count);
      metrics.timersLate.set({ process }, late_seconds);
    }
    for (const [state, count] of Object.entries(instances)) metrics.instances.set({ state }, count);
  }

  async function lookAtDisk(): Promise<void> {
    if (sources.dataDir === undefined) return;
    const { bsize, bavail, blocks } = await statfs(sources.dataDir);
    metrics.diskFree.set(bsize * bavail);
    metrics.diskSize.set(bsize * blocks);
  }

  return async () => {
    const now = performance.now();
    if (!looked || now - looked.at > KEPT)
      looked = { at: now, done: Promise.allSettled([look(), lookAtFeed(), lookAtWork(), lookAtDisk()]).then(() => {}) };
    await looked.done;
    readMemory();
  };
}
