import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The templates: a small service, which is type-checked, linted and tested as all code of the project is. */
const SERVICE = new URL('../../../templates/service/', import.meta.url);

/** A file of the template, by its path in the service. */
export const templateFile = (path: string): string => readFileSync(new URL(path, SERVICE), 'utf8');

/** The paths of all files of the template below a folder, or of the whole service. */
export function templatePaths(folder = ''): string[] {
  return readdirSync(new URL(folder, SERVICE), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(SERVICE.pathname.length))
    .sort();
}
