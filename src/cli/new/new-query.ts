import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Generation } from './generation.ts';
import { GeneratorError } from './generator-error.ts';
import { type AggregateNames, moduleNames } from './module-names.ts';
import { type Name, nameOf } from './name.ts';
import { addRpcs } from './new-aggregate.ts';
import { templateFile } from './template.ts';

/** The queries of the template: one that returns a row by its id, and one that returns rows page by page. */
const KINDS = {
  one: { query: nameOf(['get', 'jam', 'jar']), rpc: 'GetJamJar' },
  many: { query: nameOf(['list', 'jam', 'jars']), rpc: 'ListJamJars' },
} as const;

/** A query of a read model: its rpc, its handler and a test. It returns one row, or a list when it is called List… or ends with many of them. */
export function newQuery(generation: Generation, module: Name, aggregate: AggregateNames, query: Name): void {
  const { next } = generation;
  const template = KINDS[isAboutMany(query, aggregate) ? 'many' : 'one'];
  const names = [[template.query, query] as const, ...moduleNames(module, aggregate)];
  const rename = generation.renamer(names);
  const path = rename('proto/farm_shop/v1/query_service.proto');
  addRpcs(generation, { path, service: 'QueryService', rpcs: [template.rpc], rename });
  const handler = `src/modules/farm_shop/queries/${template.query.kebab}.ts`;
  generation.fromTemplate(handler, names, readingFrom(generation, module, aggregate, templateFile(handler)));
  generation.fromTemplate(`test/modules/farm_shop/queries/${template.query.kebab}.integration.test.ts`, names);
  next.push(
    `Say in ${path} what the query is asked, what it returns and who may ask it.`,
    `Say in ${rename(handler)} which rows it reads.`,
  );
}

const isAboutMany = ({ words }: Name, { many }: AggregateNames): boolean =>
  /^(list|search|browse) /.test(words) || words.endsWith(` ${many.words}`);

/** A handler of the template that reads the read model of an aggregate, whatever that is called: the one that makes the aggregate's message of a row. */
function readingFrom({ surroundings }: Generation, module: Name, { one }: AggregateNames, handler: string): string {
  const folder = join(surroundings.root, 'src/modules', module.snake, 'read-model');
  const files = existsSync(folder) ? readdirSync(folder).sort() : [];
  for (const file of files) {
    const source = readFileSync(join(folder, file), 'utf8');
    const [, table] = /'(read\.\w+)'/.exec(source) ?? [];
    if (table !== undefined && new RegExp(`\\bexport function to${one.pascal}\\b`).test(source))
      return handler.replaceAll('read-model/jam-jar-list.ts', `read-model/${file}`).replaceAll('read.jam_jar_list', table);
  }
  throw new GeneratorError(
    `No file in src/modules/${module.snake}/read-model exports to${one.pascal}, so there is nothing to read: see the read model of a new aggregate.`,
  );
}
