import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { GeneratorError } from './generator-error.ts';

/** Where a generator works: in a service that has the package installed, or in the project that the package is made of. */
export interface Surroundings {
  readonly root: string;
  readonly kind: 'service' | 'project';
}

const PACKAGE = 'bicameral';

/** Finds the root of the service, or of the project, that a folder is in. Throws GeneratorError. */
export function surroundingsOf(folder: string): Surroundings {
  for (let root = resolve(folder); ; root = dirname(root)) {
    const kind = kindOf(join(root, 'package.json'));
    if (kind) return { root, kind };
    if (root === dirname(root)) break;
  }
  throw new GeneratorError(
    `${resolve(folder)} is in no service: no package.json here or above has ${PACKAGE} among its dependencies. Begin one with \`npx ${PACKAGE} new service shop\`.`,
  );
}

function kindOf(file: string): Surroundings['kind'] | undefined {
  if (!existsSync(file)) return undefined;
  const { name, dependencies, devDependencies } = JSON.parse(readFileSync(file, 'utf8')) as {
    name?: string;
    dependencies?: Record<string, string>;
    devDependencies?: Record<string, string>;
  };
  if (name === PACKAGE) return 'project';
  return { ...dependencies, ...devDependencies }[PACKAGE] === undefined ? undefined : 'service';
}

/** The names of the modules, which are those of the folders in src/modules. */
export function modulesIn({ root }: Surroundings): readonly string[] {
  const folder = join(root, 'src/modules');
  return existsSync(folder) ? readdirSync(folder).filter((name) => existsSync(join(folder, name, 'module.ts'))) : [];
}
