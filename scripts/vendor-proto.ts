/**
 * Puts the third-party contracts that ours import into vendor-proto/, out of node_modules, so that buf needs no network.
 *
 * protovalidate ships its contract only as a compiled descriptor, which is printed back to text here. Options of fields
 * are left out: the run time takes them from the package.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DescEnum, DescExtension, DescField, DescMessage } from '@bufbuild/protobuf';
import { FieldDescriptorProto_Label, FieldDescriptorProto_Type } from '@bufbuild/protobuf/wkt';
import { file_buf_validate_validate as validate } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';

/** Google's error model (AIP-193), copied as it is. */
const GOOGLE_RPC = ['google/rpc/error_details.proto', 'google/rpc/status.proto'];

/** The standard health service, as grpc-health-check has it. */
const HEALTH = 'health/v1/health.proto';

/** gRPC reflection, as @grpc/reflection has it. */
const REFLECTION = ['grpc/reflection/v1/reflection.proto', 'grpc/reflection/v1alpha/reflection.proto'];

const lines: string[] = [];
const print = (depth: number, line: string) => lines.push('  '.repeat(depth) + line);

function printField(depth: number, field: DescField | DescExtension): void {
  const type = field.proto.typeName || FieldDescriptorProto_Type[field.proto.type].toLowerCase();
  const label = FieldDescriptorProto_Label[field.proto.label].toLowerCase();
  const inOneof = field.kind === 'field' && field.oneof !== undefined;
  print(depth, `${inOneof ? '' : `${label} `}${type} ${field.name} = ${field.number};`);
}

function printEnum(depth: number, type: DescEnum): void {
  print(depth, `enum ${type.name} {`);
  for (const value of type.proto.value) print(depth + 1, `${value.name} = ${value.number};`);
  print(depth, '}');
}

function printExtensions(depth: number, extensions: readonly DescExtension[]): void {
  for (const extension of extensions) {
    print(depth, `extend .${extension.extendee.typeName} {`);
    printField(depth + 1, extension);
    print(depth, '}');
  }
}

function printMessage(depth: number, message: DescMessage): void {
  print(depth, `message ${message.name} {`);
  for (const nested of message.nestedEnums) printEnum(depth + 1, nested);
  for (const nested of message.nestedMessages) printMessage(depth + 1, nested);
  for (const field of message.fields) if (!field.oneof) printField(depth + 1, field);
  for (const oneof of message.oneofs) {
    print(depth + 1, `oneof ${oneof.name} {`);
    for (const field of oneof.fields) printField(depth + 2, field);
    print(depth + 1, '}');
  }
  for (const { start, end } of message.proto.extensionRange) {
    print(depth + 1, `extensions ${start} to ${end === 536_870_912 ? 'max' : end - 1};`);
  }
  for (const { start, end } of message.proto.reservedRange) print(depth + 1, `reserved ${start} to ${end - 1};`);
  for (const name of message.proto.reservedName) print(depth + 1, `reserved "${name}";`);
  printExtensions(depth + 1, message.nestedExtensions);
  print(depth, '}');
}

/** Fills `target` (emptied first). */
export function vendorProto(target: string): void {
  rmSync(target, { recursive: true, force: true });
  for (const path of GOOGLE_RPC) cpSync(join('node_modules/google-proto-files', path), join(target, path));
  cpSync(join('node_modules/grpc-health-check/proto', HEALTH), join(target, 'grpc', HEALTH));
  for (const path of REFLECTION) cpSync(join('node_modules/@grpc/reflection/build/proto', path), join(target, path));

  lines.length = 0;
  print(0, 'syntax = "proto2";');
  print(0, `package ${validate.proto.package};`);
  for (const path of validate.proto.dependency) print(0, `import "${path}";`);
  for (const type of validate.enums) printEnum(0, type);
  for (const message of validate.messages) printMessage(0, message);
  printExtensions(0, validate.extensions);
  const path = join(target, validate.proto.name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${lines.join('\n')}\n`);
}
