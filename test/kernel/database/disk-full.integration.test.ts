import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { startEmbeddedCluster } from '../../../src/embedded-postgres/start-embedded-cluster.ts';
import { until } from '../../embedded-postgres/cluster-harness.ts';
import { createTestDatabase } from '../../support/database.ts';
import { refusalOf } from '../../support/errors.ts';
import { asAdmin, signUp } from '../../support/people.ts';
import { temporaryDataDir } from '../../support/temporary-data-dir.ts';
import { startTestApp, type TestApp } from '../../support/test-app.ts';

const run = promisify(execFile);

/** A small disk, where this process may make one. */
async function smallDisk(folder: string): Promise<AsyncDisposable | undefined> {
  await mkdir(folder, { mode: 0o755 });
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=192m,mode=755', 'tmpfs', folder]);
  } catch {
    await rm(folder, { recursive: true, force: true });
    return undefined;
  }
  return {
    [Symbol.asyncDispose]: async () => {
      await run('umount', ['-l', folder]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const { path: disk } = temporaryDataDir();
const mounted = await smallDisk(disk);
const stack = new AsyncDisposableStack();
if (mounted) stack.use(mounted);
const TITLE = 'a disk that is full';
const describeWithDisk = mounted ? describe : describe.skip;
if (!mounted) process.stderr.write(`${TITLE} (skipped: this process may not mount a file system)\n`);

let app: TestApp;
beforeAll(async () => {
  const settings = { fsync: 'off', full_page_writes: 'off', max_wal_size: '32MB', min_wal_size: '32MB', shared_buffers: '16MB' };
  const cluster = await startEmbeddedCluster({ dataDir: disk, replica: false, settings });
  stack.defer(() => cluster.stop());
  app = await startTestApp({ on: await createTestDatabase(cluster.connections) });
  stack.defer(() => app.stop());
});
afterAll(() => stack.disposeAsync());

describeWithDisk(TITLE, () => {
  it('fails commands as unavailable, answers queries, tells the log once, and is over when there is room', async () => {
    const user = await signUp(app);
    const rename = (size: number) => asAdmin(app).changeName({ userId: user.id, name: 'n'.repeat(size) });
    await rename(1);

    const filler = join(disk, 'filler');
    await run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k', 'count=100000']).catch(() => {});
    const refusals: unknown[] = [];
    // Until the files that are there already are full.
    await until(
      'commands fail',
      async () => {
        const ended = await Promise.allSettled(
          Array.from({ length: 20 }, (_, n) => signUp(app, { name: `${'n'.repeat(100)} ${n}` })),
        );
        for (const end of ended) if (end.status === 'rejected') refusals.push(await refusalOf(Promise.reject(end.reason)));
        return refusals.length >= 20;
      },
      60_000,
    );
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ code: expect.stringMatching(/^(Unavailable|ResourceExhausted)$/) });
    }
    const { user: read } = await app.client(QueryService, { roles: ['auditor'] }).getUser({ userId: user.id });
    expect(read?.id).toBe(user.id);
    const lines = () => app.log().split('\n');
    expect(lines().filter((line) => line.includes('the database fails commands')).length).toBeLessThanOrEqual(1);
    expect(lines().filter((line) => line.includes('unexpected error'))).toEqual([]);

    await rm(filler);
    await until('commands are done again', async () => Boolean(await rename(2)), 60_000);
    expect(lines().filter((line) => line.includes('unexpected error'))).toEqual([]);
  });
});
