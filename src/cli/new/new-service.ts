import { existsSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AlreadyThere } from './change-set.ts';
import type { Generation } from './generation.ts';
import { moduleNames } from './module-names.ts';
import { type Name, nameOf } from './name.ts';
import { withoutParts } from './parts.ts';
import { templateFile, templatePaths } from './template.ts';

const PACKAGE = fileURLToPath(new URL('../../../', import.meta.url));
/** The module that a new service begins with. */
const MODULE = nameOf(['products']);
const AGGREGATE = { one: nameOf(['product']), many: nameOf(['products']) };
const TEMPLATE_SERVICE = nameOf(['village', 'green']);

/** A service of its own, with a small module to begin with. */
export function newService(generation: Generation, service: Name): void {
  const { root } = generation.surroundings;
  if (existsSync(root)) throw new AlreadyThere(`${service.kebab}/`);
  const rename = generation.renamer([[TEMPLATE_SERVICE, service] as const, ...moduleNames(MODULE, AGGREGATE)]);
  for (const path of templatePaths().filter(isCopied)) {
    const text = withoutParts(path, templateFile(path));
    if (text === undefined) continue;
    const prepared = path === 'package.json' ? withVersions(text, root) : text;
    generation.changes.create(rename(path).replace(/(^|\/)_/, '$1'), rename(prepared));
  }
  generation.next.push(`cd ${service.kebab} && npm install && npm start`, 'README.md says what is there, and how to go on.');
}

/** What is generated comes with the first `npm install`. */
const isCopied = (path: string): boolean => !path.startsWith('gen/') && !path.endsWith('/services.ts');

/** The template depends on `*`: the versions are those that the package itself is made and tested with. */
function withVersions(text: string, root: string): string {
  const own = manifest(PACKAGE);
  const versions: Readonly<Record<string, string>> = {
    ...own.devDependencies,
    ...own.dependencies,
    [own.name]: ownVersion(own, root),
  };
  return text.replace(/"([^"]+)": "\*"/g, (_, name: string) => `"${name}": "${versions[name]}"`);
}

/** The package as it was installed: from a registry by its version, or from a file that whoever installs the service has as well. */
function ownVersion({ name, version }: Manifest, root: string): string {
  const installer = resolve(PACKAGE, '../..');
  if (!existsSync(join(installer, 'package.json'))) return version;
  const declared = manifest(installer).dependencies?.[name];
  if (!declared?.startsWith('file:')) return version;
  return `file:${relative(root, resolve(installer, declared.slice('file:'.length)))}`;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const manifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
