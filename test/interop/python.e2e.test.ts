import { readFileSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startService } from '../support/service.ts';
import { createWorkshop } from './contracts.ts';
import { pageCode, TOLD } from './page-code.ts';
import { itIsTheStory, type Story, storyArguments } from './story.ts';
import { describeWith, installed, run } from './tool.ts';

const requirements = join(import.meta.dirname, 'python/requirements.txt');
const pythonIn = (folder: string): string => join(folder, 'bin/python');

const python = await installed({
  name: 'python',
  version: async () =>
    (await run('python3', ['-c', 'import sys; print(sys.version, sys.executable)'])) + readFileSync(requirements, 'utf8'),
  async install(folder) {
    await run('python3', ['-m', 'venv', folder]);
    // A package without a wheel for this machine would take longer to compile than a test may.
    await run(pythonIn(folder), ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', '--requirement', requirements]);
  },
});

describeWith('a Python client (grpcio, stubs from the contracts)', python, (folder) => {
  const resources = new AsyncDisposableStack();
  let story: Story;
  let told = '';

  beforeAll(async () => {
    const workshop = resources.use(createWorkshop());
    const service = resources.use(await startService());
    const stubs = await generateStubs(workshop.contracts);
    const program = join(import.meta.dirname, 'python/story.py');
    const environment = { PYTHONPATH: stubs, PYTHONDONTWRITEBYTECODE: '1' };
    const page = join(workshop.folder, 'story.py');
    for (const file of ['calls.py', 'story.py'])
      writeFileSync(join(workshop.folder, file), pageCode('python.md', 'python', file));
    story = JSON.parse(await run(pythonIn(folder), [program, ...(await storyArguments(service))], { env: environment }));
    const another = resources.use(await startService());
    told = await run(pythonIn(folder), [page, another.grpcAddress], { cwd: workshop.folder, env: environment });
  });
  afterAll(async () => resources.disposeAsync());

  /** Puts the stubs beside the contracts. What is Google's comes with grpcio. */
  async function generateStubs(contracts: string): Promise<string> {
    const root = join(contracts, 'proto');
    const files = (await readdir(root, { recursive: true })).filter((path) => /^(?!google|grpc).*\.proto$/.test(path));
    const options = [`--proto_path=${root}`, `--python_out=${contracts}`, `--grpc_python_out=${contracts}`];
    await run(pythonIn(folder), ['-m', 'grpc_tools.protoc', ...options, ...files]);
    return contracts;
  }

  it('tells the story of docs/clients/python.md', () => {
    expect(told).toBe(TOLD);
  });

  itIsTheStory(() => story);
});
