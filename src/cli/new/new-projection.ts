import type { Generation } from './generation.ts';
import { type AggregateNames, moduleNames } from './module-names.ts';
import type { Name } from './name.ts';
import { registerMigration } from './new-migration.ts';
import { PATHS, TEMPLATE_PROJECTION } from './parts.ts';
import { withElement, withImport } from './typescript.ts';

/** A read model of an aggregate that is kept in the command's own transaction: its table, what fills it, and what queries read of it. */
export function newProjection(generation: Generation, module: Name, aggregate: AggregateNames, projection: Name): void {
  const names = [[TEMPLATE_PROJECTION, projection] as const, ...moduleNames(module, aggregate)];
  const rename = generation.renamer(names);
  for (const path of [PATHS.projection, PATHS.readModel, PATHS.projectionMigration, PATHS.projectionTest])
    generation.fromTemplate(path, names);
  registerMigration(generation, { template: '20261130000002', name: projection, rename });
  generation.insert(rename(PATHS.type), { what: 'among the projections', text: projection.camel }, (source) => {
    const listed = withElement(source, /\bprojections:\s*\[/, projection.camel);
    return listed && withImport(listed, { name: projection.camel, from: `./${projection.kebab}.ts` });
  });
  generation.next.push(
    `Give read.${projection.snake} the columns that queries need: ${rename(PATHS.projectionMigration)}, ${rename(PATHS.projection)} and ${rename(PATHS.readModel)}.`,
    `Read it: \`bicameral new query ${module.snake} NAME\`.`,
  );
}
