import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { copyProject, type ProjectCopy } from '../support/project-copy.ts';

const CONTRACT = 'proto/users/v1/query_service.proto';
const HANDLER = 'src/modules/users/commands/change-name.ts';

let copy: ProjectCopy;
beforeAll(() => {
  copy = copyProject();
});
afterAll(() => copy.remove());

/** Takes a text out of a file, or puts another in its place, for as long as the command runs. */
async function withMistake(file: string, [from, to]: readonly [string, string], command: string): Promise<string> {
  const path = join(copy.root, file);
  const text = readFileSync(path, 'utf8');
  expect(text).toContain(from);
  writeFileSync(path, text.replace(from, to));
  const { code, output } = await copy.run(command);
  writeFileSync(path, text);
  expect(code).not.toBe(0);
  return output;
}

describe('a check names, before the start, where it is and what to do:', () => {
  it('an rpc without an access rule', async () => {
    const rule = '    option (cqrs.v1.access) = {permission: "users.read"};\n';
    const output = await withMistake(CONTRACT, [rule, ''], 'npm run --silent generate && npm run --silent check:modules');
    expect(output).toContain(
      'users.v1.QueryService/FindUserByEmail has no access rule: add `option (cqrs.v1.access)` to it in users/v1/query_service.proto',
    );
    await copy.run('npm run --silent generate');
  });

  it('a query that is not free of side effects', async () => {
    const option = '    option idempotency_level = NO_SIDE_EFFECTS;\n';
    const output = await withMistake(CONTRACT, [option, ''], 'npm run --silent generate && npm run --silent check:modules');
    expect(output).toContain('needs `option idempotency_level = NO_SIDE_EFFECTS` in users/v1/query_service.proto');
    await copy.run('npm run --silent generate');
  });

  it('a handler that is missing', async () => {
    const file = join(copy.root, 'src/modules/users/commands/log-out.ts');
    renameSync(file, join(copy.root, 'log-out.ts'));
    const types = await copy.run('tsc');
    const modules = await copy.run('npm run --silent check:modules');
    renameSync(join(copy.root, 'log-out.ts'), file);
    expect(types.output).toContain(
      "src/modules/users/services.ts(8,24): error TS2307: Cannot find module './commands/log-out.ts'",
    );
    expect(modules.output).toContain('src/modules/users/commands/log-out.ts is missing.\nWrite it');
    expect(modules.output).not.toMatch(/^\s+at /m);
  });

  it('a migration that no list names', async () => {
    const file = join(copy.root, 'src/modules/users/migrations/20991231000000-forgotten.ts');
    writeFileSync(file, 'export class Forgotten {}\n');
    const { code, output } = await copy.run('npm run --silent check:modules');
    rmSync(file);
    expect(code).toBe(1);
    expect(output).toContain(
      'src/modules/users/migrations/20991231000000-forgotten.ts never runs: list it in the `migrations` of src/modules/users/module.ts',
    );
  });

  it('a module that is not listed', async () => {
    const output = await withMistake('src/app.ts', ['[users, audit,', '[audit,'], 'npm run --silent check:modules');
    expect(output).toMatch(/no module serves users\.v1\.CommandService|users\.read, which no module declares/);
    expect(output).toContain(
      'src/modules/users/module.ts is not served: list its module in `modules` of src/app.ts, or remove its folder',
    );
  });

  it('a middleware that is to stand beside one that is not there', async () => {
    const own = `middleware('own', () => undefined, { after: 'authentification' })`;
    const imported = `import { middleware } from './kernel/bus/middleware.ts';\nexport const application`;
    const app = join(copy.root, 'src/app.ts');
    const text = readFileSync(app, 'utf8');
    writeFileSync(
      app,
      text.replace('  roles,', `  roles,\n  middleware: [${own}],`).replace('export const application', imported),
    );
    const { code, output } = await copy.run('npm run --silent check:modules');
    writeFileSync(app, text);
    expect(code).toBe(1);
    expect(output).toContain('authentification');
  });

  it('an aggregate that no list names', async () => {
    const output = await withMistake(
      'src/modules/users/module.ts',
      ['aggregates: [UserType]', 'aggregates: []'],
      'npm run --silent check:modules',
    );
    expect(output).toContain(
      'UserType of src/modules/users/persistence/user-type.ts cannot be stored: list it in the `aggregates` of src/modules/users/module.ts',
    );
  });

  it.each([
    ['a reactor', 'reactor({', 'never reacts: list it in the `reactors`'],
    ['a process manager', 'processManager(UserLoggedInSchema, {', 'never begins: list it in the `processes`'],
  ])('%s that no list names', async (_, declared, told) => {
    const file = join(copy.root, 'src/modules/users/forgotten.ts');
    writeFileSync(
      file,
      `import { UserLoggedInSchema } from '#gen/users/v1/events_pb.js';
import { processManager, reactor, step as reaction } from '../../kernel/index.ts';

export const forgotten = ${declared}
  name: 'forgotten',
  from: 'now',
  on: [reaction(UserLoggedInSchema, async () => {})] as never,
});
`,
    );
    const { code, output } = await copy.run('npm run --silent check:modules');
    rmSync(file);
    expect(code).toBe(1);
    expect(output).toContain(`forgotten of src/modules/users/forgotten.ts ${told} of src/modules/users/module.ts`);
  });

  it('a promise that nobody waits for', async () => {
    const mistake = ['  if (!user)', "  users.holdsEmail('ada@example.org');\n  if (!user)"] as const;
    const output = await withMistake(HANDLER, mistake, `biome lint --error-on-warnings ${HANDLER}`);
    expect(output).toContain(`${HANDLER}:11:3 lint/nursery/noFloatingPromises`);
  });

  it('a field that the contract does not have', async () => {
    const output = await withMistake(HANDLER, ['user: toUser(user) }', "user: toUser(user), nobody: 'reads it' }"], 'tsc');
    expect(output).toContain(`${HANDLER}(`);
  });
});
