import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeContracts } from '../../scripts/contracts.ts';

/** A folder for one test file, that is removed at the end. */
export interface Workshop extends Disposable {
  readonly folder: string;
  /** In `folder`: what `npm run contracts` makes. */
  readonly contracts: string;
}

/** What the author of a client starts from: the folder of the contracts, and nothing else of this project. */
export function createWorkshop(): Workshop {
  const folder = mkdtempSync(join(tmpdir(), 'bicameral-interop-'));
  const contracts = join(folder, 'contracts');
  writeContracts(contracts);
  return { folder, contracts, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
