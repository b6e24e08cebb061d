import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { contractServices } from '../../src/kernel/contracts/descriptors.ts';

const readme = readFileSync('README.md', 'utf8');

describe('the README', () => {
  it('begins with a handler as it is', () => {
    const [, handler] = /^```ts\n(.*?)^```$/ms.exec(readme) ?? [];
    expect(handler).toBe(readFileSync('src/modules/users/commands/change-name.ts', 'utf8'));
  });

  it('names every rpc that is not for operators', () => {
    const [, served = ''] = /^## What it serves$(.*?)^## /ms.exec(readme) ?? [];
    const rpcs = contractServices()
      .filter(({ typeName }) => !typeName.startsWith('operations.'))
      .flatMap(({ methods }) => methods.map(({ name }) => name));
    expect(rpcs).toContain('WatchUsers');
    expect(rpcs.filter((rpc) => !new RegExp(`\\b${rpc}\\b`).test(served))).toEqual([]);
  });

  it('compares by figures that the page about performance has, of the run that it names', () => {
    const [, why = ''] = /^## Why not …$(.*?)^## /ms.exec(readme) ?? [];
    const [, run = '', measured = ''] =
      /^## The last full run\n\n(`[^`]+`)\n(.*?)^## /ms.exec(readFileSync('docs/performance.md', 'utf8')) ?? [];
    expect(why).toContain(run);
    const figures = why.match(/\d+,\d{3}|\b\d{3}(?= ChangeName| where)|(?<=one answered )\d+/g) ?? [];
    expect(figures).toHaveLength(8);
    for (const figure of figures) expect(measured).toMatch(new RegExp(`^  (ours|connect|peer) +${figure} `, 'm'));
  });
});
