import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { createInstruments } from '../../../../src/kernel/telemetry/metrics/instruments.ts';

/** Rows of the tables: a name of ours and its labels. */
const documented = readFileSync('docs/metrics.md', 'utf8')
  .split('\n')
  .filter((line) => /^\| `(cqrs|rpc|bicameral)_\w+` \|/.test(line))
  .map((line) =>
    line
      .replaceAll('`', '')
      .split('|')
      .slice(1, 3)
      .map((cell) => cell.trim()),
  );

it('docs/metrics.md lists every metric of ours with its labels, and none that is not there', () => {
  const { registry } = createInstruments();
  const ours = registry.getMetricsAsArray().filter(({ name }) => /^(cqrs|rpc|bicameral)_/.test(name));
  const labelled = ours.map((metric) => [metric.name, (metric as unknown as { labelNames: string[] }).labelNames.join(', ')]);
  expect(documented.toSorted()).toEqual(labelled.toSorted());
});

it('every metric of Node.js and the process that it names is there', () => {
  const names = new Set(
    createInstruments()
      .registry.getMetricsAsArray()
      .map(({ name }) => name),
  );
  const text = readFileSync('docs/metrics.md', 'utf8');
  const named = [...text.matchAll(/`((?:nodejs|process)_\w+)`/g)].map(([, name = '']) => name);
  expect(named.filter((name) => !names.has(name))).toEqual([]);
  expect(named.length).toBeGreaterThan(4);
});
