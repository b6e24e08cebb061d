import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startService } from '../support/service.ts';
import { createWorkshop } from './contracts.ts';
import { pageCode, TOLD } from './page-code.ts';
import { itIsTheStory, type Story, storyArguments } from './story.ts';
import { available, describeWith, oneAtATime, ROOT, run } from './tool.ts';

/** What the program and its stubs import, and the generators of the stubs. */
const PACKAGES = [
  'google.golang.org/genproto/googleapis/rpc/errdetails',
  'google.golang.org/grpc',
  'google.golang.org/grpc/health/grpc_health_v1',
  'google.golang.org/protobuf/types/known/durationpb',
  'google.golang.org/protobuf/types/known/timestamppb',
  'tool',
];

const go = await available(async () => {
  const folder = join(import.meta.dirname, 'go');
  await oneAtATime(() => run('go', ['build', ...PACKAGES], { cwd: folder }));
  return folder;
});

describeWith('a Go client (grpc-go, stubs from the contracts)', go, (source) => {
  const resources = new AsyncDisposableStack();
  let story: Story;
  let told = '';

  beforeAll(async () => {
    const { folder, contracts } = resources.use(createWorkshop());
    const service = resources.use(await startService());
    cpSync(source, folder, { recursive: true });
    // What is Google's, such as the types of error details, comes with the gRPC packages of each language.
    const others = ['google', 'grpc'].flatMap((owner) => ['--exclude-path', join(contracts, 'proto', owner)]);
    await run(join(ROOT, 'node_modules/.bin/buf'), ['generate', contracts, ...others], { cwd: folder });
    await run('go', ['build', '-o', 'story', '.'], { cwd: folder });
    story = JSON.parse(await run(join(folder, 'story'), await storyArguments(service)));
    const another = resources.use(await startService());
    told = await run(await pageProgram(folder, contracts), [another.grpcAddress], { cwd: join(folder, 'page') });
  });
  afterAll(async () => resources.disposeAsync());

  /** Does what docs/clients/go.md says, beside the program of the story. */
  async function pageProgram(folder: string, contracts: string): Promise<string> {
    const page = join(folder, 'page');
    mkdirSync(page);
    for (const file of ['go.mod', 'go.sum']) cpSync(join(source, file), join(page, file));
    cpSync(contracts, join(page, 'contracts'), { recursive: true });
    writeFileSync(join(page, 'buf.gen.yaml'), pageCode('go.md', 'yaml'));
    for (const file of ['calls.go', 'main.go']) writeFileSync(join(page, file), pageCode('go.md', 'go', file));
    const commands = pageCode('go.md', 'sh');
    const path = { PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}` };
    await run('sh', ['-ec', `${commands}\ngo build -mod=mod -o story .`], { cwd: page, env: path });
    return join(page, 'story');
  }

  it('tells the story of docs/clients/go.md', () => {
    expect(told).toBe(TOLD);
  });

  itIsTheStory(() => story);
});
