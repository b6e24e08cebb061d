import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { ConnectionSettings } from '../../src/embedded-postgres/connection-settings.ts';
import { type EmbeddedClusterOptions, startEmbeddedCluster } from '../../src/embedded-postgres/start-embedded-cluster.ts';
import { PATIENCE } from '../support/patience.ts';
import { isAlive } from '../support/processes.ts';

/** A cluster for one test, with the disk's part left out, that is stopped at the end. */
export async function startForTest(options: EmbeddedClusterOptions) {
  const cluster = await startEmbeddedCluster({ ...options, settings: { fsync: 'off', ...options.settings } });
  return { ...cluster, [Symbol.asyncDispose]: () => cluster.stop() };
}

export async function ask<Row extends pg.QueryResultRow>(connection: ConnectionSettings, sql: string): Promise<Row[]> {
  const client = new pg.Client(connection);
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Tries until it is true; an error is a no. */
export async function until(what: string, isTrue: () => Promise<boolean> | boolean, patience = PATIENCE): Promise<void> {
  for (const deadline = performance.now() + patience; ; await delay(25)) {
    if (
      await Promise.resolve()
        .then(isTrue)
        .catch(() => false)
    )
      return;
    if (performance.now() > deadline) throw new Error(`waited ${patience} ms in vain until ${what}`);
  }
}

export { isAlive };

export interface ClusterProgram extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly servers: readonly [number, number];
  /** The rows that the program was told are committed. */
  readonly acknowledged: readonly number[];
}

/** Runs cluster-program.ts in a process of its own, until it has written some rows. */
export async function runClusterProgram(dataDir: string): Promise<ClusterProgram> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'cluster-program.ts'), dataDir], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  let output = '';
  let errors = '';
  const acknowledged: number[] = [];
  let servers: readonly [number, number] = [0, 0];
  child.stdout.on('data', (chunk) => {
    output += chunk;
    const lines = output.split('\n');
    output = lines.pop() ?? '';
    for (const line of lines) {
      const [, primary, replica] = /^servers (\d+) (\d+)$/.exec(line) ?? [];
      if (primary) servers = [Number(primary), Number(replica)];
      else acknowledged.push(Number(line));
    }
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  await until('the program writes', () => acknowledged.length > 200 || child.exitCode !== null);
  if (child.exitCode !== null) throw new Error(`the program ended: ${errors}`);
  return {
    child,
    servers,
    acknowledged,
    // Its servers end by themselves, and write to their folders until then.
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await until('the servers of the program have ended', () => !servers.some(isAlive));
    },
  };
}
