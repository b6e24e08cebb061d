import { hash, randomUUIDv7 } from 'node:crypto';
import type { DescMessage, DescMethod, DescService, MessageShape } from '@bufbuild/protobuf';
import { type ContextValues, createContextValues } from '@connectrpc/connect';
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
  /** The one request message; of an rpc that streams them an empty one. Validation puts one in its place whose text is in form. */
  request: Message;
  /** The messages of an rpc that streams its requests: no rpc of the bus does. */
  requests: AsyncIterable<Message> | undefined;
  readonly origin: CallOrigin;
  readonly cancellation = new Cancellation();
  /**
   * A UUIDv7 (RFC 9562); every id that the call gives out comes from here. The ids of a try follow from the id of the call, so
   * that a recorded command can be run again with the same ones.
   */
  readonly newId = (): string => {
    this.#idsGiven += 1;
    return derivedId(this.id, this.#idsGiven);
  };
  readonly #makeHeader: () => Headers;
  readonly #readHeader: ((name: string) => string | undefined) | undefined;
  readonly #readHeaderNames: (() => Iterable<string>) | undefined;
  #header: Headers | undefined;
  #contextValues: ContextValues | undefined;
  #id: string | undefined;
  #receivedAt: Date | undefined;
  #idsGiven = 0;

  constructor(call: {
    method: DescMethod;
    request: Message;
    requests?: AsyncIterable<Message> | undefined;
    origin: CallOrigin;
    header: () => Headers;
    readHeader?: (name: string) => string | undefined;
    readHeaderNames?: () => Iterable<string>;
    contextValues?: ContextValues | undefined;
    /** A UUIDv7. Given only when a recorded command is run again. */
    id?: string;
  }) {
    this.method = call.method;
    this.request = call.request;
    this.requests = call.requests;
    this.origin = call.origin;
    this.#makeHeader = call.header;
    this.#readHeader = call.readHeader;
    this.#readHeaderNames = call.readHeaderNames;
    this.#contextValues = call.contextValues;
    this.#id = call.id;
  }

  /** The id of this call: of a command, what its events and its record name. */
  get id(): string {
    this.#id ??= randomUUIDv7();
    return this.#id;
  }

  /** The time of the call, the one in its id: the same for every try and every reader. */
  get receivedAt(): Date {
    this.#receivedAt ??= timeOf(this.id);
    return this.#receivedAt;
  }

  /** From here on the call gives out the ids of a try again, from the first. */
  startTry(): void {
    this.#idsGiven = 0;
  }

  /** The ids that the attempt has given out so far. */
  givenIds(): readonly string[] {
    return Array.from({ length: this.#idsGiven }, (_, index) => derivedId(this.id, index + 1));
  }

  get stream(): boolean {
    return this.method.methodKind !== 'unary';
  }

  get message(): Message | AsyncIterable<Message> {
    return this.requests ?? (this.stream ? only(this.request) : this.request);
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

  /** What is inside of an interceptor that passes other headers on sees these. */
  set header(header: Headers) {
    this.#header = header;
  }

  /** One header by its name in lower case: cheaper than `header` where the door can read it without making all of them. */
  headerValue(name: string): string | undefined {
    if (this.#header || !this.#readHeader) return this.header.get(name) ?? undefined;
    return this.#readHeader(name);
  }

  /** The names of all headers, in lower case. */
  get headerNames(): Iterable<string> {
    return this.#header || !this.#readHeaderNames ? this.header.keys() : this.#readHeaderNames();
  }

  get signal(): AbortSignal {
    return this.cancellation.signal;
  }

  get contextValues(): ContextValues {
    this.#contextValues ??= createContextValues();
    return this.#contextValues;
  }

  set contextValues(values: ContextValues) {
    this.#contextValues = values;
  }
}

/** When a UUIDv7 was made, to the millisecond (RFC 9562, 5.7). */
export function timeOf(id: string): Date {
  return new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
}

/** The n-th id that follows from another: a UUIDv7 of the same time whose random bits are a hash. */
function derivedId(id: string, n: number): string {
  const bits = hash('sha256', `${id} ${n}`, 'hex');
  const variant = '89ab'.charAt(Number.parseInt(bits.charAt(3), 16) & 3);
  return `${id.slice(0, 13)}-7${bits.slice(0, 3)}-${variant}${bits.slice(4, 7)}-${bits.slice(7, 19)}`;
}

function only(message: Message): AsyncIterable<Message> {
  return {
    async *[Symbol.asyncIterator]() {
      yield message;
    },
  };
}
