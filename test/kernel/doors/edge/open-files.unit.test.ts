import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { affordable, openFilesFor } from '../../../../src/kernel/doors/edge/open-files.ts';

const MODULE = new URL('../../../../src/kernel/doors/edge/open-files.ts', import.meta.url);

describe('mostOpenFiles', () => {
  it('is what the system says', async () => {
    const code = `import { mostOpenFiles } from '${MODULE}'; console.log(mostOpenFiles())`;
    const script = 'ulimit -n 321; exec "$0" --input-type=module -e "$1"';
    const { stdout } = await promisify(execFile)('bash', ['-c', script, process.execPath, code], {
      env: { PATH: process.env.PATH },
    });
    expect(stdout.trim()).toBe('321');
  });
});

describe('affordable', () => {
  const limits = { connections: 2000, connectionsPerAddress: 1000, beginMs: 1 };

  it('leaves limits that can be kept', () => {
    expect(affordable(limits, Number.POSITIVE_INFINITY)).toBe(limits);
    expect(affordable(limits, openFilesFor(limits))).toBe(limits);
  });

  it('lowers those that cannot, and the share of one address with them', () => {
    expect(affordable(limits, openFilesFor(limits) - 1)).toMatchObject({ connections: 1999 });
    expect(affordable(limits, 1024)).toEqual({ connections: 412, connectionsPerAddress: 206, beginMs: 1 });
    expect(affordable(limits, 100)).toEqual({ connections: 10, connectionsPerAddress: 5, beginMs: 1 });
  });
});
