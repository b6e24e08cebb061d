/**
 * `npm run generate`: makes gen/, test/gen/, docs/reference/ and docs/errors.md from the contracts, what templates/ has of these, and
 * deploy/grafana/dashboards/ from the code beside it. Needs no network. With --check it generates aside and fails, naming the files, when the committed ones differ.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DASHBOARDS } from '../deploy/grafana/src/dashboards.ts';
import { servicesIn } from '../src/cli/generate/contract-files.ts';
import { writeHandlerRegistries } from '../src/cli/generate/handler-registry.ts';
import { type Generated, staleFiles } from '../src/cli/generate/stale-files.ts';
import { writeContractDescriptors } from './contract-descriptors.ts';

const ERRORS_PAGE = 'docs/errors.md';
const REFERENCE = 'docs/reference';
const DASHBOARD_FOLDER = 'deploy/grafana/dashboards';

async function generate(root: string): Promise<Generated> {
  for (const template of ['buf.gen.yaml', 'test/buf.gen.yaml', 'templates/buf.gen.yaml']) {
    execFileSync('buf', ['generate', '--template', template, '--output', root], { stdio: 'inherit' });
  }
  const registries = [
    ...writeRegistries('proto', { root, target: 'src/modules', handlersOf: '../../kernel/bus/handler.ts' }),
    ...writeRegistries('templates/service/proto', { root, target: 'templates/service/src/modules', handlersOf: 'bicameral' }),
  ];
  writeContractDescriptors(join(root, 'gen/contracts.binpb'));
  await writePages(root);
  writeDashboards(root);
  return {
    folders: ['gen', 'test/gen', 'templates/service/gen', REFERENCE, DASHBOARD_FOLDER],
    files: [ERRORS_PAGE, ...registries],
  };
}

function writeRegistries(
  contracts: string,
  { root, target, handlersOf }: { root: string; target: string; handlersOf: string },
): string[] {
  const written = writeHandlerRegistries(servicesIn(contracts, { root: '.' }), { target: join(root, target), handlersOf });
  return written.map((path) => join(target, path));
}

function writeDashboards(root: string): void {
  const folder = join(root, DASHBOARD_FOLDER);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { name, json } of DASHBOARDS) writeFileSync(join(folder, `${name}.json`), json);
}

/** What it imports stands on what was just generated. */
async function writePages(root: string): Promise<void> {
  const { contractServices } = await import('../src/kernel/contracts/descriptors.ts');
  const { errorReasons } = await import('../src/kernel/contracts/errors.ts');
  const { errorsPage } = await import('../src/kernel/contracts/errors-page.ts');
  const { reasonProblems } = await import('../src/kernel/contracts/reasons.ts');
  const { referencePages } = await import('../src/kernel/contracts/reference.ts');
  const { roles } = await import('../src/roles.ts');
  const errors = errorReasons();
  const problems = reasonProblems(contractServices(), errors);
  if (problems.length > 0) throw new Error(`The reasons of the contracts do not agree:\n  ${problems.join('\n  ')}`);

  mkdirSync(join(root, 'docs'), { recursive: true });
  writeFileSync(join(root, ERRORS_PAGE), errorsPage(errors));
  const folder = join(root, REFERENCE);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, page] of referencePages({ errors, roles })) writeFileSync(join(folder, name), page);
}

async function check(): Promise<void> {
  const stale = await staleFiles('.', generate);
  if (stale.length === 0) return;
  console.error(
    `Not what is generated from the contracts and the dashboards; run \`npm run generate\`:\n  ${stale.join('\n  ')}`,
  );
  process.exitCode = 1;
}

try {
  await (process.argv.includes('--check') ? check() : generate('.'));
} catch (error) {
  // A program that was run, such as buf, has said what is wrong.
  if (!(Error.isError(error) && 'status' in error)) throw error;
  process.exitCode = 1;
}
