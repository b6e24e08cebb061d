/**
 * Writes gen/contracts.binpb, what the service tells about itself by reflection and at /contracts: every contract as it is handed out,
 * with the comments of ours.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { protoFiles } from '../src/kernel/contracts/proto-files.ts';

export function writeContractDescriptors(target: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'contracts-'));
  try {
    const files = protoFiles();
    for (const { path, content } of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), content());
    }
    const built = join(folder, 'set.binpb');
    execFileSync('buf', ['build', folder, '--as-file-descriptor-set', '--output', built], { stdio: 'inherit' });
    const set = fromBinary(FileDescriptorSetSchema, readFileSync(built));
    const ours = new Set(files.filter(({ isOurs }) => isOurs).map(({ path }) => path));
    for (const file of set.file) if (!ours.has(file.name)) delete file.sourceCodeInfo;
    writeFileSync(target, toBinary(FileDescriptorSetSchema, set));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
