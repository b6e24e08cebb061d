import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What is generated: folders with nothing else in them, and files of their own in others, which are there when they were generated. */
export interface Generated {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

/**
 * The files that are not as they are generated now, or that are missing, or left from before. `generate` writes below the folder that it is
 * given, as it does below the root, and tells what it wrote.
 */
export async function staleFiles(root: string, generate: (target: string) => Promise<Generated> | Generated): Promise<string[]> {
  const modules = join(root, 'node_modules');
  // Below the project, so that the generated code finds its packages.
  const fresh = mkdtempSync(join(existsSync(modules) ? modules : tmpdir(), '.generate-'));
  try {
    const { folders, files } = await generate(fresh);
    const inFolders = folders.flatMap((folder) => {
      const names = new Set([...filesBelow(join(root, folder)), ...filesBelow(join(fresh, folder))]);
      return [...names].map((name) => join(folder, name));
    });
    return [...inFolders, ...files].filter((path) => read(join(root, path)) !== read(join(fresh, path))).sort();
  } finally {
    rmSync(fresh, { recursive: true });
  }
}

export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

const read = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, 'latin1') : undefined);
