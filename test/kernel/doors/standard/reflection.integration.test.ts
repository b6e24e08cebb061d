import { fromBinary, getExtension, type MessageInitShape } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema, MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { field as validateField } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { type CallOptions, Code, createClient, type Transport } from '@connectrpc/connect';
import { createWritableIterable } from '@connectrpc/connect/protocol';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { access } from '#gen/cqrs/v1/access_pb.js';
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from '#gen/grpc/reflection/v1/reflection_pb.js';
import { ServerReflection as ServerReflectionAlpha } from '#gen/grpc/reflection/v1alpha/reflection_pb.js';
import { CallGauge } from '../../../../src/kernel/bus/call-gauge.ts';
import type { ReflectionAccess } from '../../../../src/kernel/doors/standard/standard-services.ts';
import { conformanceService } from '../../../support/conformance-service.ts';
import { openDoors, SUBJECTS } from '../../../support/doors.ts';
import { refusalOf } from '../../../support/errors.ts';
import { eventually, settled } from '../../../support/eventually.ts';
import { standardServices } from '../../../support/standard-services.ts';

type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest']>;

const VERSIONS = { v1: ServerReflection, v1alpha: ServerReflectionAlpha as unknown as typeof ServerReflection };
/** A stream both ways needs HTTP/2. */
const TALKING = SUBJECTS.filter(({ name }) => ['gRPC door, Connect client', 'Connect door, gRPC'].includes(name));

const resources = new AsyncDisposableStack();
afterAll(() => resources.disposeAsync());

/** Opens both doors and a way to one of them. */
async function reflecting(subject: (typeof SUBJECTS)[number], options: { reflection?: ReflectionAccess; streams?: number } = {}) {
  const conformance = conformanceService();
  const gauge = new CallGauge(options.streams ?? 10);
  const { rpcs: standard } = standardServices(conformance, { streams: 10, gauge, ...options });
  const doors = resources.adopt(await openDoors({ ...conformance, standard }), ({ close }) => close());
  const { transport, close } = subject.open({ ...doors, conformance });
  resources.defer(() => close?.());
  return { transport, gauge };
}

async function ask(
  transport: Transport,
  questions: readonly Question[],
  { version = 'v1', ...options }: CallOptions & { version?: keyof typeof VERSIONS } = {},
): Promise<ServerReflectionResponse[]> {
  const client = createClient(VERSIONS[version], transport);
  async function* requests() {
    for (const messageRequest of questions) yield { messageRequest };
  }
  return await Array.fromAsync(client.serverReflectionInfo(requests(), options));
}

function filesIn({ messageResponse }: ServerReflectionResponse): FileDescriptorProto[] {
  if (messageResponse.case !== 'fileDescriptorResponse') throw new Error(`no files: ${JSON.stringify(messageResponse)}`);
  return messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}

describe.each(TALKING)('reflection, $name', (subject) => {
  let transport: Transport;
  let gauge: CallGauge;
  beforeAll(async () => {
    ({ transport, gauge } = await reflecting(subject));
  });

  describe.each(['v1', 'v1alpha'] as const)('%s', (version) => {
    const one = async (question: Question) => {
      const [response] = await ask(transport, [question], { version });
      if (!response) throw new Error('no answer');
      return response;
    };
    const fileOf = async (symbol: string) => filesIn(await one({ case: 'fileContainingSymbol', value: symbol }))[0];

    it('lists the services', async () => {
      const { messageResponse } = await one({ case: 'listServices', value: '*' });
      if (messageResponse.case !== 'listServicesResponse') throw new Error('no list');
      expect(messageResponse.value.service.map(({ name }) => name)).toEqual([
        'conformance.v1.CommandService',
        'conformance.v1.QueryService',
        'grpc.health.v1.Health',
      ]);
    });

    it('gives the file of a service with all its options', async () => {
      const file = await fileOf('conformance.v1.QueryService');
      expect(file?.name).toBe('conformance/v1/conformance.proto');
      const ask = file?.service.find(({ name }) => name === 'QueryService')?.method.find(({ name }) => name === 'Ask');
      if (!ask?.options) throw new Error('Ask has lost its options');
      expect(ask.options.idempotencyLevel).toBe(MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS);
      expect(getExtension(ask.options, access).anonymous).toBe(true);

      const text = file?.messageType.find(({ name }) => name === 'AskRequest')?.field.find(({ name }) => name === 'text');
      if (!text?.options) throw new Error('text has lost its rules');
      expect(getExtension(text.options, validateField).type).toMatchObject({ case: 'string', value: { minLen: 1n } });
    });

    it.each([
      ['a method', 'conformance.v1.QueryService.Ask', 'conformance/v1/conformance.proto'],
      ['a field', 'conformance.v1.AskRequest.text', 'conformance/v1/conformance.proto'],
      ['an option', 'cqrs.v1.access', 'cqrs/v1/access.proto'],
      ['a value of an enum', 'google.protobuf.FieldDescriptorProto.TYPE_INT32', 'google/protobuf/descriptor.proto'],
      ['the health service', 'grpc.health.v1.Health', 'grpc/health/v1/health.proto'],
      ['a detail of errors', 'google.rpc.ErrorInfo', 'google/rpc/error_details.proto'],
    ])('knows where %s is', async (_, symbol, path) => {
      expect((await fileOf(symbol))?.name).toBe(path);
    });

    it('gives files by their names and by the number of an extension', async () => {
      for (const name of ['cqrs/v1/access.proto', 'buf/validate/validate.proto', 'google/protobuf/descriptor.proto']) {
        expect(filesIn(await one({ case: 'fileByFilename', value: name }))[0]?.name).toBe(name);
      }
      const value = { containingType: 'google.protobuf.MethodOptions', extensionNumber: access.number };
      expect(filesIn(await one({ case: 'fileContainingExtension', value }))[0]?.name).toBe('cqrs/v1/access.proto');
      const { messageResponse } = await one({ case: 'allExtensionNumbersOfType', value: value.containingType });
      expect(messageResponse.value).toMatchObject({ extensionNumber: expect.arrayContaining([access.number]) });
    });

    it.each([
      [{ case: 'fileByFilename', value: '../../etc/passwd' }, Code.NotFound],
      [{ case: 'fileContainingSymbol', value: 'nobody' }, Code.NotFound],
      [{ case: 'fileContainingExtension', value: { containingType: 'nobody', extensionNumber: -1 } }, Code.NotFound],
      [{ case: 'allExtensionNumbersOfType', value: '__proto__' }, Code.NotFound],
      [{ case: undefined }, Code.InvalidArgument],
    ] as [Question, Code][])('knows nothing of %j', async (question, errorCode) => {
      expect((await one(question)).messageResponse).toMatchObject({ case: 'errorResponse', value: { errorCode } });
    });
  });

  it('sends what a file imports with it, and once over a stream', async () => {
    const question: Question = { case: 'fileContainingSymbol', value: 'conformance.v1.QueryService' };
    const [first = [], second = []] = (await ask(transport, [question, question])).map(filesIn);
    expect(first.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['cqrs/v1/access.proto', 'buf/validate/validate.proto']),
    );
    expect(second.map(({ name }) => name)).toEqual(['conformance/v1/conformance.proto']);
  });

  it('answers the first question before the next is asked, and counts the stream while it is open', async () => {
    const requests = createWritableIterable<{ messageRequest: Question }>();
    const answers = createClient(ServerReflection, transport).serverReflectionInfo(requests)[Symbol.asyncIterator]();
    void requests.write({ messageRequest: { case: 'listServices', value: '' } });
    expect((await answers.next()).value?.messageResponse.case).toBe('listServicesResponse');
    expect(gauge.inFlight).toBe(1);
    void requests.write({ messageRequest: { case: 'fileContainingSymbol', value: 'nobody' } });
    expect((await answers.next()).value?.messageResponse.case).toBe('errorResponse');
    requests.close();
    expect((await answers.next()).done).toBe(true);
    await eventually(() => expect(gauge.inFlight).toBe(0));
  });

  it('reads no more questions than its caller takes answers', async () => {
    let asked = 0;
    const leaving = new AbortController();
    async function* requests() {
      for (; !leaving.signal.aborted; asked += 1)
        yield { messageRequest: { case: 'fileByFilename' as const, value: 'buf/validate/validate.proto' } };
    }
    const answers = createClient(ServerReflection, transport).serverReflectionInfo(requests(), { signal: leaving.signal });
    await answers[Symbol.asyncIterator]().next();
    expect(await settled(() => asked)).toBeLessThan(20_000);
    leaving.abort();
    await eventually(() => expect(gauge.inFlight).toBe(0));
  });
});

describe.each(TALKING)('access to reflection, $name', (subject) => {
  const question: Question = { case: 'listServices', value: '' };

  it('can be off', async () => {
    const { transport } = await reflecting(subject, { reflection: 'off' });
    for (const version of ['v1', 'v1alpha'] as const) {
      expect(await refusalOf(ask(transport, [question], { version }))).toMatchObject({ code: 'Unimplemented' });
    }
  });

  it('can be for those who have signed in', async () => {
    const { transport } = await reflecting(subject, { reflection: 'authenticated' });
    expect(await refusalOf(ask(transport, [question]))).toMatchObject({ code: 'Unauthenticated', reason: 'TOKEN_MISSING' });
    expect(await ask(transport, [question], { headers: { authorization: 'Bearer token' } })).toHaveLength(1);
  });
});
