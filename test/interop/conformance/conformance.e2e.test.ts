import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { describeWith, installed, oneAtATime, ROOT, run } from '../tool.ts';

const SOURCE = import.meta.dirname;
const BIN = join(ROOT, 'node_modules/.bin');

/** The runner of the suite, and its contracts as a FileDescriptorSet. */
const suite = await installed({
  name: 'connectconformance',
  version: async () => ['go.mod', 'go.sum'].map((file) => readFileSync(join(SOURCE, file), 'utf8')).join(''),
  async install(folder) {
    mkdirSync(folder, { recursive: true });
    const inSource = { cwd: SOURCE, env: { GOBIN: folder } };
    await oneAtATime(() => run('go', ['install', 'connectrpc.com/conformance/cmd/connectconformance'], inSource));
    const module = (await run('go', ['list', '-m', '-f', '{{.Dir}}', 'connectrpc.com/conformance'], inSource)).trim();
    const contracts = ['--as-file-descriptor-set', '--output', join(folder, 'contracts.binpb')];
    await run(join(BIN, 'buf'), ['build', join(module, 'proto'), ...contracts]);
  },
});

/**
 * What the suite may say of a case that is listed: that its error has one detail more, and, of an error in JSON, that the suite does not
 * know the type of that detail.
 */
const ONE_DETAIL_MORE = /^(?:; )?actual error contain (\d+) details; expecting (\d+)$/;
const TYPE_UNKNOWN =
  /^connect error JSON: details\[\d+\]: could not check debug data because message type "google\.rpc\.ErrorInfo"/;

describeWith("Connect's conformance suite (connectconformance)", suite, (folder) => {
  it.each([
    { door: 'grpc', http: '2', cases: 470 },
    { door: 'connect', http: '1', cases: 1528 },
    { door: 'connect', http: '2', cases: 2304 },
  ])(
    'finds nothing at the $door door, over HTTP/$http, but an ErrorInfo that it does not expect',
    async ({ door, http, cases }) => {
      const differences = join(SOURCE, `${door}-door.differences.txt`);
      const report = await run(join(folder, 'connectconformance'), [
        ...['--mode', 'server', '--conf', join(SOURCE, `${door}-door.yaml`), '--run', `*/HTTPVersion:${http}/**`],
        // The client's clock may end a call before the answer is there that says DEADLINE_EXCEEDED with its ErrorInfo.
        ...['--known-failing', `@${differences}`, '--known-flaky', 'Timeouts/**', '--max-servers', '2', '--parallel', '8'],
        ...['--', join(BIN, 'node'), join(SOURCE, 'server.ts'), door, join(folder, 'contracts.binpb')],
      ]);
      expect(otherDifferences(report)).toEqual([]);
      expect(report).toContain(`Total cases: ${cases}\n`);
      expect(report).toMatch(/^\d+ passed, 0 failed$/m);
      expect(report).not.toContain('could not be run');
    },
    300_000,
  );
});

/** The cases of a report that differ in more than their ErrorInfo, with what the suite says of them. */
function otherDifferences(report: string): readonly string[] {
  return report.split(/^(?=INFO: |FAILED: |\n)/m).filter((text) => {
    const [title = '', ...lines] = text.trimEnd().split('\n');
    if (!title.startsWith('INFO: ')) return title.startsWith('FAILED: ');
    const said = lines.map((line) => line.trim()).filter((line) => line !== '');
    return said.length === 0 || !said.every(isErrorInfo);
  });
}

function isErrorInfo(line: string): boolean {
  const [, actual, expected] = ONE_DETAIL_MORE.exec(line) ?? [];
  return actual === undefined ? TYPE_UNKNOWN.test(line) : Number(actual) === Number(expected) + 1;
}
