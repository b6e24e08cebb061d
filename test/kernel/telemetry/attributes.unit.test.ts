import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import * as semantic from '@opentelemetry/semantic-conventions';
import { ATTRIBUTE } from '../../../src/kernel/telemetry/attributes.ts';

const names = Object.values(ATTRIBUTE);

it('attributes are ours, or stable ones of the semantic conventions', () => {
  const stable = new Set(Object.entries(semantic).flatMap(([key, name]) => (key.startsWith('ATTR_') ? [name] : [])));
  // The name of a pool is of the conventions too, and in development.
  const others = names.filter((name) => !name.startsWith('cqrs.') && name !== 'db.client.connection.pool.name');
  expect(others.filter((name) => !stable.has(name))).toEqual([]);
});

it('every attribute is explained, in the code and in docs/tracing.md', () => {
  const root = join(import.meta.dirname, '../../..');
  const page = readFileSync(join(root, 'docs/tracing.md'), 'utf8');
  expect(names.filter((name) => !page.includes(`| \`${name}\` |`))).toEqual([]);
  const code = readFileSync(join(root, 'src/kernel/telemetry/attributes.ts'), 'utf8');
  // The port stands below its address, which is explained.
  const explained = [...code.matchAll(/\*\/\n(?: {2}\w+: '([a-z_.]+)',\n)(?: {2}\w+: '([a-z_.]+)',\n)?/g)].flatMap(
    ([, one, two]) => [one, two],
  );
  expect(names.filter((name) => !explained.includes(name))).toEqual([]);
});
