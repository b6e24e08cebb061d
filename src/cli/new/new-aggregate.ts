import type { Generation } from './generation.ts';
import { GeneratorError } from './generator-error.ts';
import { type AggregateNames, aggregatesOf, moduleNames } from './module-names.ts';
import type { Name } from './name.ts';
import { registerMigration } from './new-migration.ts';
import { withoutParts } from './parts.ts';
import {
  enumValueIn,
  hasEnumValue,
  importsFor,
  rpcIn,
  typeIn,
  withEnumValue,
  withProtoImport,
  withRpc,
  withTypes,
} from './proto.ts';
import { templateFile, templatePaths } from './template.ts';
import { withImport, withListed, withProperty } from './typescript.ts';
import { withArticle } from './verbs.ts';

const RPCS = {
  command_service: { service: 'CommandService', rpcs: ['CreateJamJar', 'RenameJamJar'] },
  query_service: { service: 'QueryService', rpcs: ['GetJamJar', 'ListJamJars'] },
} as const;
const EVENTS = ['JamJarCreated', 'JamJarRenamed'];
const REASONS = ['REASON_JAM_JAR_NOT_FOUND', 'REASON_VERSION_MISMATCH'];

/** Files of the template that are about its aggregate alone. */
const isAboutAggregate = (path: string): boolean => /jam[-_]jar/.test(path);

/**
 * Gives a module that is there another aggregate: its contract, domain, persistence, read model, the commands that create and rename it,
 * the queries that get one and list them, and their tests.
 */
export function newAggregate(generation: Generation, module: Name, aggregate: AggregateNames): void {
  const { surroundings, changes, next } = generation;
  if (aggregatesOf(surroundings, module).some(({ one }) => one.pascal === aggregate.one.pascal))
    throw new GeneratorError(
      `The module ${module.snake} has an aggregate ${aggregate.one.pascal} already, and nothing was written.`,
    );
  const names = moduleNames(module, aggregate);
  const rename = generation.renamer(names);
  for (const path of moduleFiles().filter(isAboutAggregate)) {
    const text = withoutParts(path, templateFile(path));
    if (text !== undefined) generation.fromTemplate(path, names, text);
  }
  const proto = (name: string): string => `proto/${module.snake}/v1/${name}.proto`;
  for (const [name, { service, rpcs }] of Object.entries(RPCS)) addRpcs(generation, { path: proto(name), service, rpcs, rename });
  changes.edit(proto('events'), (source) =>
    withTypes(
      source,
      EVENTS.map((event) => rename(typeIn(templateFile('proto/farm_shop/v1/events.proto'), event) ?? '')),
    ),
  );
  for (const reason of REASONS) addReason(generation, { path: proto('reasons'), reason, rename });
  addToModule(generation, module, rename);
  registerMigration(generation, { template: '20261130000001', name: aggregate.many, rename });
  next.push(
    `Change what ${withArticle(aggregate.one.words)} is: proto/${module.snake}/v1/${aggregate.one.snake}.proto, domain/${aggregate.one.kebab}.ts and persistence/${aggregate.one.kebab}-mapping.ts.`,
  );
}

/** All files of the template's module but the list of its handlers, which is generated. */
export const moduleFiles = (): string[] =>
  ['proto/farm_shop', 'src/modules/farm_shop', 'test/modules/farm_shop']
    .flatMap(templatePaths)
    .filter((path) => !path.endsWith('/services.ts'));

/** Puts rpcs of the template and their messages into a service of the module. */
export function addRpcs(
  { changes }: Generation,
  { path, service, rpcs, rename }: { path: string; service: string; rpcs: readonly string[]; rename: (text: string) => string },
): void {
  const template = templateFile(`proto/farm_shop/v1/${service === 'CommandService' ? 'command' : 'query'}_service.proto`);
  for (const rpc of rpcs) {
    const text = rename(rpcIn(template, rpc) ?? '');
    const types = [`${rpc}Request`, `${rpc}Response`].map((name) => rename(typeIn(template, name) ?? ''));
    const imports = importsFor(template, [text, ...types].join('\n')).map(rename);
    changes.edit(path, (source) => {
      if (new RegExp(`\\brpc\\s+${rename(rpc)}\\b`).test(source))
        throw new GeneratorError(`${path} has an rpc ${rename(rpc)} already, and nothing was written.`);
      const withRpcs = withRpc(source, service, text);
      if (withRpcs === undefined)
        throw new GeneratorError(`${path} has no service ${service}, so there is no place for the rpc ${rename(rpc)}.`);
      return withTypes([...imports, ...ownImports(template, types.join('\n'), rename)].reduce(withProtoImport, withRpcs), types);
    });
  }
}

/** The files of the module that the messages need. */
function ownImports(template: string, text: string, rename: (text: string) => string): string[] {
  const paths = [...template.matchAll(/^import "(farm_shop\/.*)";$/gm)].map(([, path = '']) => path);
  return paths.map(rename).filter((path) => text.includes(pascalOf(path)));
}

/** `orders/v1/order.proto` declares the message Order. */
const pascalOf = (path: string): string =>
  path.replace(/^.*\/|\.proto$/g, '').replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());

function addReason(
  { changes }: Generation,
  { path, reason, rename }: { path: string; reason: string; rename: (text: string) => string },
): void {
  const value = rename(enumValueIn(templateFile('proto/farm_shop/v1/reasons.proto'), reason) ?? '');
  changes.edit(path, (source) => {
    if (hasEnumValue(source, rename(reason))) return source;
    return withProtoImport(withEnumValue(source, 'Reason', value) ?? source, 'cqrs/v1/errors.proto');
  });
}

/** The lines that a module, and what its handlers are given, has for each aggregate. */
function addToModule(generation: Generation, module: Name, rename: (text: string) => string): void {
  const folder = `src/modules/${module.snake}`;
  const insert = (path: string, what: string, text: string, change: (source: string) => string | undefined): void =>
    generation.insert(path, { what, text: rename(text) }, change);
  const imported = (source: string | undefined, names: Readonly<Record<string, string>>, isType = false): string | undefined =>
    source &&
    Object.entries(names).reduce(
      (text, [name, from]) => withImport(text, { name: rename(name), from: rename(from), isType }),
      source,
    );

  const repository = 'jamJars: jamJarRepository(work)';
  insert(`${folder}/module.ts`, 'among the aggregates', 'JamJarType', (source) =>
    imported(withListed(source, 'aggregates', rename('JamJarType')), {
      JamJarType: './persistence/jam-jar-type.ts',
    }),
  );
  insert(`${folder}/module.ts`, 'into the context of commands', repository, (source) =>
    imported(withProperty(source, /\bcommandContext:[^{]*\{[^{]*=>\s*\(\{/, rename(repository)), {
      jamJarRepository: './persistence/jam-jar-repository.ts',
    }),
  );
  insert(`${folder}/commands/context.ts`, 'into the context', 'readonly jamJars: JamJars;', (source) =>
    imported(withMember(source, rename('  readonly jamJars: JamJars;\n')), { JamJars: '../domain/jam-jars.ts' }, true),
  );
}

/** Puts a property behind the others of the interface that is exported. */
function withMember(source: string, member: string): string | undefined {
  const end = /^export interface[\s\S]*?(^\}$)/m.exec(source);
  if (!end) return undefined;
  const at = end.index + end[0].length - 1;
  return source.slice(0, at) + member + source.slice(at);
}
