import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/** A file as the service's own tools lay it out; as it is where they are not installed. */
export function formatted(root: string, path: string, text: string): string {
  if (path.endsWith('.proto')) return byBuf(root, path, text);
  if (/\.(ts|js|json)$/.test(path)) return byBiome(root, path, text);
  return text;
}

function byBiome(root: string, path: string, text: string): string {
  const biome = tool(root, 'biome');
  if (!biome || !existsSync(join(root, 'biome.json'))) return text;
  // It exits with 1 for what it cannot mend, and prints the rest all the same.
  try {
    return execFileSync(biome, ['check', '--write', `--stdin-file-path=${path}`], {
      cwd: root,
      input: text,
      encoding: 'utf8',
      stdio: 'pipe',
    });
  } catch (error) {
    return (error as { stdout?: string }).stdout || text;
  }
}

/** Of a file that is not on the disk yet, so it is put aside; the files that it imports do not matter to its layout. */
function byBuf(root: string, path: string, text: string): string {
  const buf = tool(root, 'buf');
  if (!buf) return text;
  const folder = mkdtempSync(join(tmpdir(), 'bicameral-new-'));
  try {
    const file = join(folder, basename(path));
    writeFileSync(file, text);
    return execFileSync(buf, ['format', file], { encoding: 'utf8' });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function tool(root: string, name: string): string | undefined {
  const path = join(root, 'node_modules/.bin', name);
  return existsSync(path) ? path : undefined;
}
