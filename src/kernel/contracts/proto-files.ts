import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { withLanguageOptions } from './language-options.ts';

/** A contract as it is handed out. */
export interface ProtoFile {
  /** As imports name it, e.g. `users/v1/user.proto`. */
  readonly path: string;
  /** Not one that others publish and that is only handed on. */
  readonly isOurs: boolean;
  readonly content: () => string;
}

const OURS = new URL('../../../proto/', import.meta.url);
const VENDORED = new URL('../../../vendor-proto/', import.meta.url);

/** Every contract with all that it imports, but what comes with each compiler (google/protobuf). */
export function protoFiles(): readonly ProtoFile[] {
  const read = (root: URL, path: string): string => readFileSync(new URL(path, root), 'utf8');
  return [
    ...protosBelow(OURS).map((path) => ({ path, isOurs: true, content: () => withLanguageOptions(path, read(OURS, path)) })),
    ...protosBelow(VENDORED).map((path) => ({ path, isOurs: false, content: () => read(VENDORED, path) })),
  ];
}

function protosBelow(root: URL): readonly string[] {
  const files = readdirSync(fileURLToPath(root), { recursive: true, encoding: 'utf8' }).map((file) => file.replaceAll('\\', '/'));
  return files.filter((file) => file.endsWith('.proto')).sort();
}
