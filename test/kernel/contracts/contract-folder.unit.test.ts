import { readFileSync } from 'node:fs';
import { createRegistry, fromBinary, toJson } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { file_buf_validate_validate as validate } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { describe, expect, it } from '@jest/globals';
import { file_users_v1_command_service } from '#gen/users/v1/command_service_pb.js';
import { commentOf } from '../../../src/kernel/contracts/comments.ts';
import { contractFolder } from '../../../src/kernel/contracts/contract-folder.ts';
import { contractDescriptors, contractServices } from '../../../src/kernel/contracts/descriptors.ts';
import { roles } from '../../../src/roles.ts';

const folder = new Map(contractFolder({ roles }).map(({ path, content }) => [path, content().toString()]));
const textOf = (path: string): string => folder.get(path) ?? '';

/** What a file says to a compiler, whoever compiled it. */
function meaningOf(file: FileDescriptorProto, registry = createRegistry(validate)): unknown {
  const { options, sourceCodeInfo, ...json } = toJson(FileDescriptorProtoSchema, file, { registry }) as Record<string, unknown>;
  return JSON.parse(JSON.stringify(json, (key, value) => (key === 'jsonName' ? undefined : value)));
}

describe('the folder of the contracts', () => {
  it('holds every file that one of its own imports, but those of the compiler', () => {
    const protos = [...folder].filter(([path]) => path.endsWith('.proto'));
    const imports = protos.flatMap(([, proto]) => [...proto.matchAll(/^import "(.*)";/gm)].map(([, path]) => `proto/${path}`));
    const missing = imports.filter((path) => !folder.has(path) && !path.startsWith('proto/google/protobuf/'));
    expect(protos.length).toBeGreaterThan(10);
    expect(missing).toEqual([]);
  });

  it('has the rules of the very version that checks requests', () => {
    const ours = contractDescriptors().getFile('buf/validate/validate.proto');
    if (!ours) throw new Error('buf/validate/validate.proto is missing');
    expect(meaningOf(ours.proto)).toEqual(meaningOf(validate.proto));
  });

  it('has the contracts that the code was generated from', () => {
    const ours = contractDescriptors().getFile('users/v1/command_service.proto');
    if (!ours) throw new Error('users/v1/command_service.proto is missing');
    const registry = createRegistry(...contractDescriptors());
    expect(meaningOf(ours.proto, registry)).toEqual(meaningOf(file_users_v1_command_service.proto, registry));
  });

  it('tells each rpc in every form', () => {
    const openApi = JSON.parse(textOf('openapi.json'));
    for (const service of contractServices()) {
      const page = textOf(`reference/${service.file.proto.package}.md`);
      for (const { name } of service.methods) {
        expect(page).toContain(`\n### ${name}\n`);
        expect(textOf('reference/README.md')).toContain(`| [${name}](`);
        expect(openApi.paths).toHaveProperty([`/${service.typeName}/${name}`]);
        expect(textOf('service-config.json')).toContain(`"method": "${name}"`);
      }
    }
  });

  it('comments every rpc, also in the descriptors', () => {
    const set = fromBinary(FileDescriptorSetSchema, readFileSync('gen/contracts.binpb'));
    expect(set.file.map(({ name }) => name)).toEqual(expect.arrayContaining(['google/rpc/error_details.proto']));
    const bare = contractServices().flatMap(({ methods }) => methods.filter((method) => commentOf(method) === ''));
    expect(bare).toEqual([]);
  });

  it('says of itself what is in it', () => {
    for (const path of folder.keys()) {
      if (path === 'README.md') continue;
      expect(textOf('README.md')).toContain(`\`${path.includes('/') ? `${path.split('/')[0]}/` : path}\``);
    }
  });
});
