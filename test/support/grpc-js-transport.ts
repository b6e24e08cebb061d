import { create, type DescMethod, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type Code, ConnectError, type Transport } from '@connectrpc/connect';
import { type CallOptions, type ChannelOptions, Client, credentials, type Metadata, type ServiceError } from '@grpc/grpc-js';
import { StatusSchema } from '#gen/google/rpc/status_pb.js';
import { toHeaders, toMetadata } from '../../src/kernel/doors/grpc/metadata.ts';

type ChannelCredentials = ReturnType<typeof credentials.createInsecure>;

/** A Connect transport that calls by grpc-js's own client, so that one suite can use it beside Connect's transports. */
export function grpcJsTransport(
  address: string,
  { security = credentials.createInsecure(), ...options }: ChannelOptions & { security?: ChannelCredentials } = {},
): Transport & { close(): void } {
  const client = new Client(address, security, options as ChannelOptions);

  const transport = {
    close: () => client.close(),

    unary(...[method, signal, timeoutMs, header, input]: Parameters<Transport['unary']>) {
      return new Promise((resolve, reject) => {
        let responseHeader = new Headers();
        let answer: unknown;
        const call = client.makeUnaryRequest(
          pathOf(method),
          (value) => encode(method, value),
          (bytes: Buffer) => fromBinary(method.output, bytes),
          input,
          toMetadata(new Headers(header)),
          callOptions(timeoutMs),
          (error, value) => {
            if (error) reject(toConnectError(error));
            else answer = value;
          },
        );
        call.on('metadata', (metadata: Metadata) => {
          responseHeader = toHeaders(metadata);
        });
        call.on('status', ({ metadata }) => {
          const common = { method, service: method.parent, header: responseHeader, trailer: toHeaders(metadata) };
          resolve({ ...common, stream: false, message: answer });
        });
        signal?.addEventListener('abort', () => call.cancel());
      });
    },

    async stream(...[method, signal, timeoutMs, header, input]: Parameters<Transport['stream']>) {
      const [first] = await Array.fromAsync(input);
      const call = client.makeServerStreamRequest(
        pathOf(method),
        (value) => encode(method, value as MessageInitShape<DescMethod['input']>),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        first,
        toMetadata(new Headers(header)),
        callOptions(timeoutMs),
      );
      signal?.addEventListener('abort', () => call.cancel());
      const trailer = new Headers();
      const status = Promise.withResolvers<void>();
      call.on('status', ({ metadata }) => {
        for (const [key, value] of toHeaders(metadata)) trailer.set(key, value);
        status.resolve();
      });
      const responseHeader = await new Promise<Headers>((resolve, reject) => {
        call.once('metadata', (metadata: Metadata) => resolve(toHeaders(metadata)));
        call.on('error', (error: ServiceError) => reject(toConnectError(error)));
      });
      async function* messages() {
        try {
          yield* call;
          await status.promise;
        } catch (error) {
          throw toConnectError(error as ServiceError);
        } finally {
          call.cancel();
        }
      }
      return { stream: true, method, service: method.parent, header: responseHeader, trailer, message: messages() };
    },
  };
  return transport as unknown as Transport & { close(): void };
}

const pathOf = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;

function encode(method: DescMethod, value: MessageInitShape<DescMethod['input']>): Buffer {
  return Buffer.from(toBinary(method.input, create(method.input, value)));
}

function callOptions(timeoutMs: number | undefined): CallOptions {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

function toConnectError(error: ServiceError): ConnectError {
  // Of the client's own stream, when its reader left.
  if (!error.metadata) return ConnectError.from(error);
  const connectError = new ConnectError(error.details, error.code as number as Code, toHeaders(error.metadata));
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  if (bytes instanceof Buffer) {
    connectError.details = fromBinary(StatusSchema, bytes).details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1),
      value,
    }));
  }
  return connectError;
}
