/** `npm run contracts`: makes dist/contracts/, the folder from which a client in any language starts. Another target can be given. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { contractFolder } from '../src/kernel/contracts/contract-folder.ts';
import { roles } from '../src/roles.ts';

export function writeContracts(target: string): void {
  rmSync(target, { recursive: true, force: true });
  for (const { path, content } of contractFolder({ roles })) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    writeFileSync(join(target, path), content());
  }
}

if (import.meta.main) {
  const [, , target = 'dist/contracts'] = process.argv;
  writeContracts(target);
  console.log(`the contracts are in ${target}`);
}
