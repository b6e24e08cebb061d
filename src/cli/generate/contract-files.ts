import { execFileSync } from 'node:child_process';
import { createFileRegistry, type DescService, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { installedTool } from './installed-tool.ts';

const MOST_BYTES = 256 * 1024 * 1024;

/** The services of the contracts in a folder, as `buf` reads them. `root` is where `buf.yaml` is. */
export function servicesIn(folder: string, { root }: { root: string }): readonly DescService[] {
  const set = execFileSync(installedTool(root, 'buf'), ['build', folder, '--as-file-descriptor-set', '--output', '-'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: MOST_BYTES,
  });
  return [...createFileRegistry(fromBinary(FileDescriptorSetSchema, set)).files].flatMap(({ services }) => services);
}
