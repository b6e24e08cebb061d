import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { startService } from '../support/service.ts';
import { createWorkshop } from './contracts.ts';
import { pageCode, TOLD } from './page-code.ts';
import { describeWith, installed, run } from './tool.ts';

/** Where what the page's program is made of is compiled once. Nobody steps through it. */
const compiledIn = (cache: string) => ({ CARGO_TARGET_DIR: join(cache, 'target'), CARGO_PROFILE_DEV_DEBUG: '0' });

const rust = await installed({
  name: 'rust',
  version: async () => (await run('cargo', ['--version'])) + pageCode('rust.md', 'toml'),
  async install(folder) {
    writeCrate(folder, { build: 'fn main() {}', program: 'fn main() {}' });
    await run('cargo', ['build', '--quiet'], { cwd: folder, env: compiledIn(folder) });
  },
});

/** A crate of the page. */
function writeCrate(folder: string, { build, program }: { build: string; program: string }): void {
  mkdirSync(join(folder, 'src'), { recursive: true });
  writeFileSync(join(folder, 'Cargo.toml'), pageCode('rust.md', 'toml'));
  writeFileSync(join(folder, 'build.rs'), build);
  writeFileSync(join(folder, 'src/main.rs'), program);
}

describeWith('docs/clients/rust.md', rust, (cache) => {
  const resources = new AsyncDisposableStack();
  afterAll(async () => resources.disposeAsync());

  it('tells the story', async () => {
    const { folder } = resources.use(createWorkshop());
    const service = resources.use(await startService());
    writeCrate(folder, { build: pageCode('rust.md', 'rust'), program: pageCode('rust.md', 'rs') });
    cpSync(join(cache, 'Cargo.lock'), join(folder, 'Cargo.lock'));
    const story = ['run', '--quiet', '--locked', '--', service.grpcAddress];
    expect(await run('cargo', story, { cwd: folder, env: compiledIn(cache) })).toBe(TOLD);
  });
});
