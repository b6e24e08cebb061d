import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createConnectDoor } from '../../../src/kernel/doors/connect/door.ts';
import type { Door, DoorOptions } from '../../../src/kernel/doors/door.ts';
import { createGrpcDoor } from '../../../src/kernel/doors/grpc/door.ts';
import { ServerTls } from '../../../src/kernel/doors/tls/server-tls.ts';
import { certificates } from '../../support/certificates.ts';
import { describeWith, type Failed, installed, oneAtATime, run } from '../tool.ts';
import { interopBus } from './service.ts';

const SOURCE = import.meta.dirname;

/** grpc-go's interop client, and its contracts as a FileDescriptorSet. */
const client = await installed({
  name: 'grpc-go-interop',
  version: async () => ['go.mod', 'go.sum', 'contracts.go'].map((file) => readFileSync(join(SOURCE, file), 'utf8')).join(''),
  async install(folder) {
    await mkdir(folder, { recursive: true });
    await oneAtATime(async () => {
      for (const [name, program] of [
        ['client', 'google.golang.org/grpc/interop/client'],
        ['contracts', '.'],
      ] as const) {
        await run('go', ['build', '-buildvcs=false', '-o', join(folder, name), program], { cwd: SOURCE });
      }
    });
    await run(join(folder, 'contracts'), [join(folder, 'contracts.binpb')]);
  },
});

/** Those of its tests in which a client sends one message. The others take streams of requests, or Google's credentials. */
const CASES = [
  'empty_unary',
  'large_unary',
  'server_streaming',
  'special_status_message',
  'unimplemented_method',
  'unimplemented_service',
  'pick_first_unary',
];
/** Those that go on with a stream of requests when their unary part has passed, and one that is such a stream. */
const STREAM_CASES = ['custom_metadata', 'status_code_and_message', 'empty_stream'];
/** How a client finds out that streams of requests are not served: from the answer, or because it comes while the client sends. */
const NOT_SERVED =
  /code = Unimplemented desc = no such rpc: grpc\.testing\.TestService\/FullDuplexCall|has error EOF while sending/;

describeWith("grpc-go's interop client", client, (folder) => {
  describe.each([
    ['gRPC', createGrpcDoor],
    ['Connect', createConnectDoor],
  ] as const)('at the %s door', (_, createDoor) => {
    const doors: Door[] = [];
    let plain: string[];
    let secure: string[];

    beforeAll(async () => {
      const contracts = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(join(folder, 'contracts.binpb'))));
      const unexpected = { newId: () => 'unexpected', report: ({ error }: { error: unknown }) => console.error(error) };
      const bus = interopBus(contracts, unexpected);
      const open = async (tls?: DoorOptions['tls']): Promise<string[]> => {
        const door = createDoor({ bus, unexpected, tls });
        doors.push(door);
        return ['-server_host', '127.0.0.1', '-server_port', String(await door.listen('127.0.0.1:0'))];
      };
      const { ca, server } = await certificates();
      const caFile = join(folder, `ca-${process.pid}.pem`);
      writeFileSync(caFile, ca);
      plain = await open();
      secure = [
        ...(await open(new ServerTls(server))),
        '-use_tls',
        '-use_test_ca',
        '-ca_file',
        caFile,
        '-server_host_override',
        'localhost',
      ];
    });
    afterAll(() => Promise.all(doors.map((door) => door.close({ graceMs: 0 }))));

    const pass = (testCase: string, server: readonly string[]) =>
      run(join(folder, 'client'), [...server, '-test_case', testCase]);
    const failure = (testCase: string): Promise<string> =>
      pass(testCase, plain).then(
        () => 'passed',
        (error: Failed) => error.stderr,
      );

    it.each(CASES)('passes %s', async (testCase) => {
      await pass(testCase, plain);
      await pass(testCase, secure);
    });

    it.each(STREAM_CASES)(
      'passes %s as far as it is no stream of requests, and is told that those are not served',
      async (testCase) => {
        expect(await failure(testCase)).toMatch(NOT_SERVED);
      },
    );
  });
});
