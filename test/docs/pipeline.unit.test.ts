import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { application } from '../../src/app.ts';
import { pipelinesOf } from '../../src/cli/pipeline.ts';

/** The names between the signs of the picture. */
const names = (text: string): string[] => text.split('▸').map((part) => part.replaceAll(/[─│┐┘┼├└▶\n]/g, '').trim());

describe('the picture of the way of a message in README.md', () => {
  it('shows the pipelines as they are', async () => {
    const readme = await readFile('README.md', 'utf8');
    const [, shared = '', command = '', query = ''] =
      /─▶ (tracing[\s\S]*?authorization)[\s\S]*?├─ command ▸ ([^\n]*) ▸ handler\n[\s\S]*?└─ query ▸ ([^\n]*) ▸ handler\n/.exec(
        readme.replace('in-process transport ───┘', ''),
      ) ?? [];
    const pipelines = pipelinesOf(application, {});
    const listed = (all: readonly { readonly name: string }[]) => all.map(({ name }) => name);
    const ofCommands = names(shared).map((name) => name.replace(/^\((.*)\)$/, '$1'));
    const ofQueries = names(shared).filter((name) => !name.startsWith('('));
    expect([...ofCommands, ...names(command)]).toEqual(listed(pipelines.command));
    expect([...ofQueries, ...names(query)]).toEqual(listed(pipelines.query));
  });
});
