import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { copyProject, type ProjectCopy } from '../support/project-copy.ts';

let copy: ProjectCopy;
beforeAll(() => {
  copy = copyProject();
});
afterAll(() => copy.remove());

const guide = readFileSync('docs/adding-a-command.md', 'utf8');

/** The text of a fenced block of the guide, by what stands behind its backticks. */
function block(label: string): string {
  const [, text] = new RegExp(`^\`\`\`${label}\\n(.*?)^\`\`\`$`, 'ms').exec(guide) ?? [];
  if (!text) throw new Error(`the guide has no block ${label}`);
  return text;
}

describe('docs/adding-a-command.md', () => {
  it('leads to a command that works, by the proto, one file and one test', async () => {
    const proto = join(copy.root, 'proto/users/v1/command_service.proto');
    const service = /^}\n\nmessage CreateUserRequest/m;
    writeFileSync(
      proto,
      readFileSync(proto, 'utf8').replace(service, (end) => `\n${block('proto rpc')}${end}`),
    );
    appendFileSync(proto, `\n${block('proto messages')}`);
    expect(await copy.run('npm run --silent generate')).toMatchObject({ code: 0 });

    const missing = await copy.run('tsc');
    expect(missing.code).not.toBe(0);
    expect(missing.output).toContain('./commands/clear-roles.ts');

    writeFileSync(join(copy.root, 'src/modules/users/commands/clear-roles.ts'), block('ts handler'));
    writeFileSync(join(copy.root, 'test/modules/users/commands/clear-roles.integration.test.ts'), block('ts test'));
    expect(await copy.run('tsc')).toEqual({ code: 0, output: '' });
    const tested = await copy.run('npm test --silent -- --selectProjects integration --testPathPatterns clear-roles');
    expect(tested).toMatchObject({ code: 0, output: expect.stringContaining('2 passed') });
    expect(await copy.run('buf lint && biome check $(find src test -name "clear-roles*")')).toMatchObject({ code: 0 });
  });

  it('is right that a handler that is missing breaks the start, by name', async () => {
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
