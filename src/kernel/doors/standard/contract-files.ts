import { type DescFile, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { file_google_rpc_error_details } from '#gen/google/rpc/error_details_pb.js';
import { file_google_rpc_status } from '#gen/google/rpc/status_pb.js';
import { contractDescriptors } from '../../contracts/descriptors.ts';

/** What clients need beside the services: the details of errors are in no contract of ours, but in every error. */
const ERROR_MODEL = [file_google_rpc_error_details, file_google_rpc_status];

/** A file of the contracts, as reflection sends it. */
export interface ContractFile {
  readonly file: DescFile;
  readonly bytes: Uint8Array;
}

/**
 * The files and all that they import, with every option that is written in them, by name; those that the project hands
 * out with their comments too.
 */
export function contractFiles(contracts: readonly DescFile[]): ReadonlyMap<string, ContractFile> {
  const files = new Map<string, ContractFile>();
  const collect = (generated: DescFile): void => {
    const file = contractDescriptors().getFile(generated.proto.name) ?? generated;
    if (files.has(file.proto.name)) return;
    files.set(file.proto.name, { file, bytes: toBinary(FileDescriptorProtoSchema, file.proto) });
    file.dependencies.forEach(collect);
  };
  for (const file of [...contracts, ...ERROR_MODEL]) collect(file);
  return files;
}
