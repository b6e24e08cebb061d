import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { GeneratorError } from '../new/generator-error.ts';
import { surroundingsOf } from '../new/surroundings.ts';
import { servicesIn } from './contract-files.ts';
import { writeHandlerRegistries } from './handler-registry.ts';
import { installedTool } from './installed-tool.ts';
import { type Generated, staleFiles } from './stale-files.ts';

/**
 * `bicameral generate`: makes of the contracts of a service what follows from them: the code in gen/, as `buf.gen.yaml` says, and the list
 * of handlers of each module. With `check` it writes nothing, and names what is not as it would be.
 */
export async function generate({ check = false }: { check?: boolean } = {}): Promise<void> {
  const { root, kind } = surroundingsOf(process.cwd());
  if (kind === 'project') throw new GeneratorError('The project itself generates more: run `npm run generate`.');
  if (!check) {
    write(root, root);
    return;
  }
  const stale = await staleFiles(root, (target) => write(root, target));
  if (stale.length === 0) return;
  process.stderr.write(`Not what is generated from the contracts; run \`npm run generate\`:\n  ${stale.join('\n  ')}\n`);
  process.exitCode = 1;
}

function write(root: string, target: string): Generated {
  if (!existsSync(join(root, 'buf.gen.yaml')))
    throw new GeneratorError(`${root} has no buf.gen.yaml, which says how code is made of the contracts.`);
  execFileSync(installedTool(root, 'buf'), ['generate', '--output', target], { cwd: root, stdio: 'inherit' });
  const modules = join(target, 'src/modules');
  const written = writeHandlerRegistries(servicesIn('proto', { root }), { target: modules, handlersOf: 'bicameral' });
  return { folders: ['gen'], files: written.map((path) => join('src/modules', path)) };
}
