import type { Generation } from './generation.ts';
import { type AggregateNames, moduleNames } from './module-names.ts';
import { type Name, nameOf } from './name.ts';
import { addRpcs } from './new-aggregate.ts';

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
  generation.fromTemplate(handler, names);
  next.push(
    `Say in ${path} what the query is asked, what it returns and who may ask it.`,
    `Say in ${rename(handler)} which rows it reads.`,
  );
}

const isAboutMany = ({ words }: Name, { many }: AggregateNames): boolean =>
  /^(list|search|browse) /.test(words) || words.endsWith(` ${many.words}`);
