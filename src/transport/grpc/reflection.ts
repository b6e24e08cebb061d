import { type DescFile, type DescService, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { Server } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { file_google_rpc_error_details } from '#gen/google/rpc/error_details_pb.js';
import { Health } from '#gen/grpc/health/v1/health_pb.js';

/** What clients need beside the services: the details of errors are in no contract of ours, but in every error. */
const OTHER_FILES = [Health.file, file_google_rpc_error_details];

/** Serves the contracts by gRPC reflection, v1 and v1alpha, with every option that is written in them. */
export function addReflection(server: Pick<Server, 'addService'>, services: readonly DescService[]): void {
  const files = new Map<string, Buffer>();
  for (const file of [...services.map((service) => service.file), ...OTHER_FILES]) collect(file, files);
  const contracts = [{ fileDescriptorProtos: [...files.values()] }];
  const listed = [...services, Health].map((service) => service.typeName);
  const reflection = new ReflectionService(contracts as never, { services: listed });
  keepOptions(reflection, files);
  reflection.addToServer(server);
}

function collect(file: DescFile, files: Map<string, Buffer>): void {
  if (files.has(file.proto.name)) return;
  for (const dependency of file.dependencies) collect(dependency, files);
  files.set(file.proto.name, Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
}

interface ReflectionImplementation {
  readonly files: Readonly<Record<string, object>>;
  readonly fileEncodings: Map<object, Uint8Array>;
}

/**
 * The package decodes and encodes the descriptors again and loses the options it does not know, ours and protovalidate's.
 * Its version is pinned, and a test fails if the encodings are no longer where they were.
 */
function keepOptions(reflection: ReflectionService, files: ReadonlyMap<string, Buffer>): void {
  const { v1, v1Alpha } = reflection as unknown as Record<'v1' | 'v1Alpha', ReflectionImplementation>;
  for (const { files: decoded, fileEncodings } of [v1, v1Alpha]) {
    for (const [name, bytes] of files) {
      const file = decoded[name];
      if (file) fileEncodings.set(file, bytes);
    }
  }
}
