import { randomUUIDv7 } from 'node:crypto';
import type { DescMessage, DescMethod, DescService, MessageShape } from '@bufbuild/protobuf';
import { type ContextValues, createContextValues, type StreamRequest, type UnaryRequest } from '@connectrpc/connect';
import { Cancellation } from './cancellation.ts';

export type Message = MessageShape<DescMessage>;

/** What a door knows of a call besides its message. */
export interface CallOrigin {
  readonly door: 'grpc' | 'connect' | 'in-process';
  /** Address and port of the other side; empty in process. */
  readonly peer: string;
  /** When the caller stops waiting, in milliseconds since the epoch; undefined is never. */
  readonly deadline: number | undefined;
  readonly requestMethod: 'POST' | 'GET';
}

/**
 * A call on its way through the bus: what Connect calls a `UnaryRequest` or, for a server-streaming rpc, a `StreamRequest`.
 * Headers, signal and context values are made when somebody asks for them: a call pays for what it uses.
 */
export class Call {
  readonly method: DescMethod;
  /** The one request message, whatever the kind of rpc. */
  readonly request: Message;
  readonly origin: CallOrigin;
  readonly cancellation = new Cancellation();
  /** A new UUIDv7 (RFC 9562); every id that the call gives out comes from here. */
  readonly newId: () => string;
  readonly #makeHeader: () => Headers;
  readonly #readHeader: ((name: string) => string | undefined) | undefined;
  #header: Headers | undefined;
  #contextValues: ContextValues | undefined;
  #id: string | undefined;
  #receivedAt: Date | undefined;

  constructor(call: {
    method: DescMethod;
    request: Message;
    origin: CallOrigin;
    header: () => Headers;
    readHeader?: (name: string) => string | undefined;
    contextValues?: ContextValues | undefined;
    newId?: () => string;
    receivedAt?: Date;
  }) {
    this.method = call.method;
    this.request = call.request;
    this.origin = call.origin;
    this.#makeHeader = call.header;
    this.#readHeader = call.readHeader;
    this.#contextValues = call.contextValues;
    this.newId = call.newId ?? newUuid;
    this.#receivedAt = call.receivedAt;
  }

  /** The id of this call: of a command, what its events and its record name. */
  get id(): string {
    this.#id ??= this.newId();
    return this.#id;
  }

  /** The time of the call, the same for every attempt and every reader. */
  get receivedAt(): Date {
    this.#receivedAt ??= new Date();
    return this.#receivedAt;
  }

  get stream(): boolean {
    return this.method.methodKind !== 'unary';
  }

  get message(): Message | AsyncIterable<Message> {
    return this.stream ? once(this.request) : this.request;
  }

  get service(): DescService {
    return this.method.parent;
  }

  get requestMethod(): string {
    return this.origin.requestMethod;
  }

  get url(): string {
    return `${this.origin.door}://bicameral/${this.method.parent.typeName}/${this.method.name}`;
  }

  get header(): Headers {
    this.#header ??= this.#makeHeader();
    return this.#header;
  }

  /** One header by its name in lower case: cheaper than `header` where the door can read it without making all of them. */
  headerValue(name: string): string | undefined {
    if (this.#header || !this.#readHeader) return this.header.get(name) ?? undefined;
    return this.#readHeader(name);
  }

  get signal(): AbortSignal {
    return this.cancellation.signal;
  }

  get contextValues(): ContextValues {
    this.#contextValues ??= createContextValues();
    return this.#contextValues;
  }
}

/** The call behind what an interceptor is given. Interceptors here run in the bus only, where it is always one. */
export function callOf(request: UnaryRequest | StreamRequest): Call {
  if (!((request as unknown) instanceof Call)) throw new TypeError('not a call of the bus');
  return request as unknown as Call;
}

const newUuid = (): string => randomUUIDv7();

async function* once(message: Message): AsyncGenerator<Message> {
  yield message;
}
