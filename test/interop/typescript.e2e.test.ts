import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { startService } from '../support/service.ts';
import { createWorkshop } from './contracts.ts';
import { linkPackages } from './link-packages.ts';
import { pageCode, TOLD } from './page-code.ts';
import { ROOT, run } from './tool.ts';

describe('docs/clients/typescript.md', () => {
  it('compiles, and tells the story', async () => {
    await using resources = new AsyncDisposableStack();
    const { folder } = resources.use(createWorkshop());
    const service = resources.use(await startService());
    resources.use(await linkPackages(folder));
    writeFileSync(join(folder, 'buf.gen.yaml'), pageCode('typescript.md', 'yaml'));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    writeFileSync(join(folder, 'story.ts'), pageCode('typescript.md', 'ts'));
    const bin = join(ROOT, 'node_modules/.bin');
    const path = { PATH: `${bin}:${process.env.PATH}` };
    await run(join(bin, 'buf'), ['generate'], { cwd: folder, env: path });
    const strict = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'esnext', '--module', 'nodenext', '--types', 'node'];
    await run(join(bin, 'tsc'), [...strict, 'story.ts'], { cwd: folder });
    expect(await run(process.execPath, ['story.ts', `http://${service.httpAddress}`], { cwd: folder })).toBe(TOLD);
  }, 120_000);
});
