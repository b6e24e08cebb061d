import { readFileSync } from 'node:fs';
import { createFileRegistry, type DescService, type FileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { messageKind } from '../bus/convention.ts';

const SET = new URL('../../../gen/contracts.binpb', import.meta.url);

let set: Buffer | undefined;
let registry: FileRegistry | undefined;

/** A `google.protobuf.FileDescriptorSet` of every contract and all that it imports, with comments. Read at its first use. */
export function descriptorSet(): Buffer {
  set ??= readFileSync(SET);
  return set;
}

/**
 * The same, decoded: the one source of what the service tells about itself. The descriptors of generated code are of the same
 * contracts, but have no comments.
 */
export function contractDescriptors(): FileRegistry {
  registry ??= createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet()));
  return registry;
}

/** The services of commands and queries, in the order of their names. */
export function contractServices(): readonly DescService[] {
  const services = [...contractDescriptors()].filter((type) => type.kind === 'service');
  const ours = services.filter((service) => messageKind(service) !== undefined);
  return ours.sort((a, b) => (a.typeName < b.typeName ? -1 : 1));
}
