import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vendorProto } from '../../scripts/vendor-proto.ts';
import { ROOT } from './tool.ts';

/** A folder for one test file, that is removed at the end. */
export interface Workshop extends Disposable {
  readonly folder: string;
  /** In `folder`: our contracts and those that they import, below one root. */
  readonly contracts: string;
}

/** What the author of a client starts from: the contracts, and nothing else of this project. */
export function createWorkshop(): Workshop {
  const folder = mkdtempSync(join(tmpdir(), 'bicameral-interop-'));
  const contracts = join(folder, 'contracts');
  vendorProto(contracts);
  // What is Google's, such as the types of error details, comes with the gRPC packages of each language.
  for (const owner of ['google', 'grpc']) rmSync(join(contracts, owner), { recursive: true, force: true });
  cpSync(join(ROOT, 'proto'), contracts, { recursive: true, filter: (path) => !path.endsWith('.binpb') });
  return { folder, contracts, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
