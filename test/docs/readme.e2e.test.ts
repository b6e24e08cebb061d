import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';

const readme = readFileSync('README.md', 'utf8');
/** The blocks that a person pastes while the service runs. */
const blocksOf = (page: string): string[] => [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
const blocks = blocksOf(readme);

describe('the README', () => {
  const dataDir = temporaryDataDir();
  let service: ChildProcess;
  let welcome = '';
  let environment: NodeJS.ProcessEnv;

  beforeAll(async () => {
    const [, start = ''] = /^```\n(npm install && npm start)\n```$/m.exec(readme) ?? [];
    expect(start).not.toBe('');
    // Free ports, so that the test can run beside a service; npm install has been run, or this test could not.
    environment = { ...process.env, DATA_DIR: dataDir.path, GRPC_ADDRESS: '127.0.0.1:0', HTTP_ADDRESS: '127.0.0.1:0' };
    service = spawn('npm', ['start'], { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      service.stderr?.on('data', (chunk) => {
        welcome += chunk;
        if (welcome.includes('--list-services')) resolve();
      });
      service.on('close', () => reject(new Error(welcome)));
    });
  });

  afterAll(async () => {
    const ended = new Promise((resolve) => service.on('close', resolve));
    service.kill('SIGTERM');
    await ended;
    await dataDir[Symbol.asyncDispose]();
  });

  const addresses = (): { grpc: string; http: string; metrics: string } => ({
    grpc: /gRPC +(\S+)/.exec(welcome)?.[1] ?? '',
    http: /Connect +http:\/\/(\S+)/.exec(welcome)?.[1] ?? '',
    metrics: /metrics +http:\/\/(\S+)\/metrics/.exec(welcome)?.[1] ?? '',
  });

  /** Pastes lines into a shell, with the addresses that this test's service has. */
  async function paste(lines: string): Promise<string> {
    const { grpc, http, metrics } = addresses();
    const here = lines
      .replaceAll('127.0.0.1:50051', grpc)
      .replaceAll('127.0.0.1:8080', http)
      .replaceAll('127.0.0.1:9464', metrics);
    const env = { ...environment, GRPC_ADDRESS: grpc, HTTP_ADDRESS: http, METRICS_ADDRESS: metrics };
    const shell = spawn('bash', ['-eu', '-c', here], { env });
    let output = '';
    for (const stream of [shell.stdout, shell.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    const code = await new Promise((resolve) => shell.on('close', resolve));
    if (code !== 0) throw new Error(`exit code ${code}: ${output}`);
    return output;
  }

  it('has what the program says to try', () => {
    const { grpc, http } = addresses();
    const printed = welcome.split('list the services:\n\n')[1]?.trim();
    expect(blocks[0]?.trim()).toBe(printed?.replaceAll(grpc, '127.0.0.1:50051').replaceAll(http, '127.0.0.1:8080'));
  });

  it('creates a user, logs in, reads the user and lists the services when pasted', async () => {
    const output = await paste(blocks[0] ?? '');
    const answers = output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
    expect(answers).toHaveLength(2);
    for (const { user } of answers) expect(user).toMatchObject({ email: 'ada@example.org', name: 'Ada Lovelace', version: '1' });
    expect(answers[1].user.lastLoginAt).toBeTruthy();
    expect(output).toMatch(/^users\.v1\.CommandService$/m);
    expect(output).toMatch(/^users\.v1\.QueryService$/m);
  });

  it('shows an operator all users, and how the service is', async () => {
    const output = await paste(blocks[1] ?? '');
    expect(output).toContain('"totalSize":"1"');
    expect(output).toMatch(/"sequence":"1".*"type":"users\.v1\.UserCreated"/);
    expect(output).toMatch(/^user_statistics +/m);
    expect(output).toMatch(/service +users\.v1\.CommandService +serving/);
    expect(output).toMatch(/database +replica-1 +up/);
  });

  it('leads to a guide to the log of commands that can be pasted, too', async () => {
    const login = blocks[0]?.split('\n').find((line) => line.startsWith('LOGIN='));
    const output = await paste([login, ...blocksOf(readFileSync('docs/audit.md', 'utf8'))].join('\n'));
    expect(output).toMatch(/^TIME +OUTCOME +CODE/m);
    expect(output).toContain('"command":{"commandId":');
    expect(output).toContain('The log is whole: ');
    expect(output).toContain('No month of the log ends before that time.');
    expect(output).toMatch(/"standIns":\["password"\],"outcome":"OUTCOME_SUCCEEDED"/);
  });

  it('has no other block that is to be pasted', () => {
    expect(blocks).toHaveLength(2);
  });
});
