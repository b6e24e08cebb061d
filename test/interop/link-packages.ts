import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { copyProject } from '../support/project-copy.ts';
import { ROOT } from './tool.ts';

/** Gives a folder the packages of the project, and the project itself as a package, built from its sources. */
export async function linkPackages(folder: string): Promise<Disposable> {
  const copy = copyProject();
  const { code, output } = await copy.run('npm run --silent build');
  if (code !== 0) throw new Error(output);
  const packages = join(folder, 'node_modules');
  mkdirSync(packages);
  for (const name of readdirSync(join(ROOT, 'node_modules'))) symlinkSync(join(ROOT, 'node_modules', name), join(packages, name));
  symlinkSync(copy.root, join(packages, 'bicameral'));
  return { [Symbol.dispose]: () => copy.remove() };
}
