import { descriptorSet } from './descriptors.ts';
import { errorReasons } from './errors.ts';
import { errorsPage } from './errors-page.ts';
import { openApi } from './open-api.ts';
import { protoFiles } from './proto-files.ts';
import { readme } from './readme.ts';
import { referencePages } from './reference.ts';
import { serviceConfig } from './service-config.ts';
import { version } from './version.ts';
import type { RolePermissions } from './who-may-call.ts';

/** A file of the folder from which a client in any language starts. */
export interface FolderFile {
  /** E.g. `proto/users/v1/user.proto`. */
  readonly path: string;
  readonly content: () => string | Buffer;
}

/** The whole folder: see readme.ts. What is made from the descriptors is made when it is asked for. */
export function contractFolder({ roles }: { readonly roles: RolePermissions }): readonly FolderFile[] {
  const reference = once(() => referencePages({ errors: errorReasons(), roles }));
  return [
    { path: 'README.md', content: readme },
    { path: 'buf.yaml', content: () => BUF_YAML },
    ...protoFiles().map(({ path, content }) => ({ path: `proto/${path}`, content })),
    { path: 'contracts.binpb', content: descriptorSet },
    { path: 'openapi.json', content: () => json(openApi({ errors: errorReasons(), roles, version: version() })) },
    { path: 'service-config.json', content: () => json(serviceConfig({ everyCommandHasKey: false })) },
    { path: 'service-config-with-keys.json', content: () => json(serviceConfig({ everyCommandHasKey: true })) },
    { path: 'errors.json', content: () => json(errorReasons()) },
    { path: 'errors.md', content: () => errorsPage(errorReasons()) },
    ...[...reference().keys()].map((page) => ({ path: `reference/${page}`, content: () => reference().get(page) ?? '' })),
  ];
}

/** The folder as a module of its own, whatever project it is put into. What is not ours is checked by those whose it is. */
const BUF_YAML = `version: v2
modules:
  - path: proto
lint:
  ignore:
    - proto/buf
    - proto/google
    - proto/grpc
`;

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
