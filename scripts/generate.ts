/**
 * `npm run generate`: makes gen/, test/gen/, docs/reference/ and docs/errors.md from the contracts, and deploy/grafana/dashboards/ from
 * the code beside it. Needs no network. With --check it generates aside and fails, naming the files, when the committed ones differ.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DescFile } from '@bufbuild/protobuf';
import { DASHBOARDS } from '../deploy/grafana/src/dashboards.ts';
import { writeContractDescriptors } from './contract-descriptors.ts';
import { writeHandlerRegistries } from './handler-registry.ts';

const ERRORS_PAGE = 'docs/errors.md';
const REFERENCE = 'docs/reference';
const DASHBOARD_FOLDER = 'deploy/grafana/dashboards';

async function generate(root: string): Promise<void> {
  for (const template of ['buf.gen.yaml', 'test/buf.gen.yaml']) {
    execFileSync('buf', ['generate', '--template', template, '--output', root], { stdio: 'inherit' });
  }
  writeHandlerRegistries(await descriptors('gen', root), join(root, 'src/modules'));
  writeContractDescriptors(join(root, 'gen/contracts.binpb'));
  await writePages(root);
  writeDashboards(root);
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
  const { ROLES } = await import('../src/kernel/auth/roles.ts');
  const errors = errorReasons();
  const problems = reasonProblems(contractServices(), errors);
  if (problems.length > 0) throw new Error(`The reasons of the contracts do not agree:\n  ${problems.join('\n  ')}`);

  mkdirSync(join(root, 'docs'), { recursive: true });
  writeFileSync(join(root, ERRORS_PAGE), errorsPage(errors));
  const folder = join(root, REFERENCE);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, page] of referencePages({ errors, roles: ROLES })) writeFileSync(join(folder, name), page);
}

/** The file descriptors of our own contracts, read from the code just generated. */
async function descriptors(folder: string, root: string): Promise<DescFile[]> {
  const files: DescFile[] = [];
  for (const path of filesBelow(join(root, folder))
    .filter((name) => name.endsWith('_pb.js'))
    .sort()) {
    const source = resolve(root, folder, path);
    const generated = (await import(pathToFileURL(source).href)) as Record<string, unknown>;
    for (const [name, value] of Object.entries(generated)) if (name.startsWith('file_')) files.push(value as DescFile);
  }
  return files;
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

function differences(folder: string, fresh: string): string[] {
  const paths = new Set([...filesBelow(folder), ...filesBelow(join(fresh, folder))]);
  return [...paths].map((path) => join(folder, path)).filter((path) => differs(path, fresh));
}

const differs = (path: string, fresh: string): boolean => read(path) !== read(join(fresh, path));

const read = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);

if (process.argv.includes('--check')) {
  // Below the project, so that the generated code finds node_modules.
  const fresh = mkdtempSync(join(existsSync('node_modules') ? 'node_modules' : tmpdir(), '.generate-'));
  try {
    await generate(fresh);
    const stale = ['gen', 'test/gen', REFERENCE, DASHBOARD_FOLDER].flatMap((folder) => differences(folder, fresh));
    const registries = filesBelow(join(fresh, 'src')).map((path) => join('src', path));
    stale.push(...[ERRORS_PAGE, ...registries].filter((path) => differs(path, fresh)));
    if (stale.length > 0) {
      console.error(
        `Not what is generated from the contracts and the dashboards; run \`npm run generate\`:\n  ${stale.join('\n  ')}`,
      );
      process.exitCode = 1;
    }
  } finally {
    rmSync(fresh, { recursive: true });
  }
} else {
  await generate('.');
}
