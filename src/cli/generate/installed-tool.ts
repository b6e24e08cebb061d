import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { GeneratorError } from '../new/generator-error.ts';

const PACKAGES: Readonly<Record<string, string>> = { buf: '@bufbuild/buf', biome: '@biomejs/biome' };

/** The path of a program that the service has as a package. Throws GeneratorError. */
export function installedTool(root: string, name: string): string {
  const path = join(root, 'node_modules/.bin', name);
  if (existsSync(path)) return path;
  throw new GeneratorError(`${name} is not installed: \`npm install --save-dev --save-exact ${PACKAGES[name]}\`.`);
}
