import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { stepsOf } from '../support/guide.ts';
import { copyProject, type ProjectCopy } from '../support/project-copy.ts';

let copy: ProjectCopy;
beforeAll(() => {
  copy = copyProject();
});
afterAll(() => copy.remove());

// In the order in which one leads to the next; all of them in one copy of the project.
describe.each([
  'docs/guides/module.md',
  'docs/guides/event.md',
  'docs/guides/migration.md',
  'docs/guides/read-model.md',
  'docs/guides/projection.md',
  'docs/guides/reactor.md',
  'docs/guides/process-manager.md',
  'docs/guides/live-query.md',
  'docs/adding-a-command.md',
])('%s', (page) => {
  it.each(stepsOf(page).map((step) => [step.what, step] as const))('%s', async (_, { follow }) => {
    await follow(copy);
  });
});

describe('a handler that is missing', () => {
  it('breaks the type check and the start, by name', async () => {
    rmSync(join(copy.root, 'src/modules/users/commands/change-email.ts'));
    const started = await copy.run('npm start --silent', { DATA_DIR: join(copy.root, 'data') });
    expect(started.code).toBe(1);
    expect(started.output).toContain("ChangeEmail of the users module's CommandService has no handler");
    expect(started.output).toContain('src/modules/users/commands/change-email.ts is missing');
    const checked = await copy.run('tsc');
    expect(checked.code).not.toBe(0);
    expect(checked.output).toContain('change-email.ts');
  });
});
