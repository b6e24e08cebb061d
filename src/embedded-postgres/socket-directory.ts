import { chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterHome } from './cluster-home.ts';
import { DataDirUnusable } from './errors.ts';
import { canUseDirectory } from './operating-system-user.ts';

/** sun_path in <sys/un.h> is 104 bytes on macOS (108 on Linux), with the closing zero. */
const LONGEST_SOCKET_PATH = 103;

export interface SocketDirectory {
  readonly path: string;
  /** Takes it away if it was made outside the cluster's home. */
  remove(): Promise<void>;
}

/**
 * A directory for the sockets that only PostgreSQL's user can enter: that is what guards a cluster whose connections need
 * no password. In the cluster's home, or, where that path does not do for a socket, a new one in the temporary directory.
 */
export async function makeSocketDirectory({ path: home, runAs }: ClusterHome, temporary = tmpdir()): Promise<SocketDirectory> {
  const inside = join(home, 'sockets');
  if (fits(inside)) {
    await mkdir(inside, { mode: 0o700, recursive: true });
    if (runAs) await chown(inside, runAs.uid, runAs.gid);
    return { path: inside, remove: async () => {} };
  }
  for (const base of [temporary, '/tmp']) {
    const path = await mkdtemp(join(base, 'bicameral-')).catch(() => undefined);
    if (!path) continue;
    const remove = () => rm(path, { recursive: true, force: true });
    if (runAs) await chown(path, runAs.uid, runAs.gid);
    if (fits(path) && (await canUseDirectory(path, runAs))) return { path, remove };
    await remove();
  }
  throw new DataDirUnusable(
    inside,
    `cannot hold Unix-domain sockets (no comma, at most ${LONGEST_SOCKET_PATH} bytes), and no other directory could be made; set DATA_DIR to a shorter path without a comma`,
  );
}

/** Also without a comma: libpq, by which the replica connects, takes a comma in a host for the end of its name. */
function fits(directory: string): boolean {
  return !directory.includes(',') && Buffer.byteLength(join(directory, '.s.PGSQL.5432')) <= LONGEST_SOCKET_PATH;
}
