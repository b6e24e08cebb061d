import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { describeWith, installed, oneAtATime, run } from '../interop/tool.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';

const source = join(import.meta.dirname, 'compose');
const requirements = join(import.meta.dirname, 'lint/requirements.txt');

/** What `docker compose` itself reads files with: the schema of the specification, and what stands between its lines. */
const compose = await installed({
  name: 'compose-go',
  version: async () => ['go.mod', 'go.sum'].map((file) => readFileSync(join(source, file), 'utf8')).join(''),
  async install(folder) {
    await mkdir(folder);
    const build = ['build', '-buildvcs=false', '-o', join(folder, 'compose-go'), 'github.com/compose-spec/compose-go/v2/cmd'];
    await oneAtATime(() => run('go', build, { cwd: source }));
  },
});

const linters = await installed({
  name: 'deploy-lint',
  version: async () =>
    (await run('python3', ['-c', 'import sys; print(sys.version, sys.executable)'])) + readFileSync(requirements, 'utf8'),
  async install(folder) {
    await run('python3', ['-m', 'venv', folder]);
    const wheels = ['install', '--quiet', '--no-deps', '--only-binary', ':all:', '--requirement', requirements];
    await run(join(folder, 'bin/python'), ['-m', 'pip', ...wheels]);
  },
});

/** Runs a check on a copy of a file in which something was changed; resolves with what it says when it fails. */
async function complaintOf(
  file: string,
  change: (text: string) => string,
  check: (copy: string) => Promise<string>,
): Promise<string> {
  await using folder = temporaryDataDir();
  await mkdir(folder.path, { recursive: true });
  const text = readFileSync(file, 'utf8');
  const copy = join(folder.path, 'copy.yaml');
  writeFileSync(copy, change(text));
  expect(change(text)).not.toBe(text);
  return await check(copy).then(
    (told) => `no complaint: ${told}`,
    (error: unknown) => String(error),
  );
}

describeWith('compose-go', compose, (folder) => {
  const read = (file: string): Promise<string> => run(join(folder, 'compose-go'), [file]);

  it('takes deploy/compose.yaml', async () => {
    expect(await read('deploy/compose.yaml')).toContain('name: bicameral\n');
  });

  it('would find a misspelled word, and a service that is not there', async () => {
    const misspelled = (text: string): string => text.replace('healthcheck:', 'healthchek:');
    expect(await complaintOf('deploy/compose.yaml', misspelled, read)).toContain('healthchek');
    const unknown = (text: string): string => text.replace('primary: { condition', 'primray: { condition');
    expect(await complaintOf('deploy/compose.yaml', unknown, read)).toContain('primray');
  });
});

describeWith('hadolint and kubernetes-validate', linters, (folder) => {
  const hadolint = (file: string): Promise<string> => run(join(folder, 'bin/hadolint'), ['--no-color', file]);

  it('hadolint takes the Dockerfile, and would find one that ends as root', async () => {
    expect(await hadolint('deploy/Dockerfile')).toBe('');
    expect(await complaintOf('deploy/Dockerfile', (text) => text.replace('USER 65532:65532', 'USER root'), hadolint)).toContain(
      'DL3002',
    );
  });

  // The oldest that knows what deployment.yaml asks for, and the newest of which there is a schema.
  describe.each(['1.30', '1.37'])('by the schema of Kubernetes %s', (version) => {
    const validate = (file: string): Promise<string> =>
      run(join(folder, 'bin/python'), ['-m', 'kubernetes_validate', '--strict', '--kubernetes-version', version, file]);
    const manifests = readdirSync('deploy/kubernetes')
      .map((file) => join('deploy/kubernetes', file))
      .filter((file) => /^apiVersion: (?!kustomize)/m.test(readFileSync(file, 'utf8')));

    it('are the manifests, all of them', async () => {
      expect(manifests.length).toBeGreaterThan(5);
      await Promise.all(manifests.map(validate));
    });

    it('would not be one with a misspelled word', async () => {
      const misspelled = (text: string): string => text.replace('failureThreshold', 'failureTreshold');
      expect(await complaintOf('deploy/kubernetes/deployment.yaml', misspelled, validate)).toContain('failureTreshold');
    });
  });
});
