import type { DescMethod, DescService } from '@bufbuild/protobuf';
import type { StreamResponse, UnaryResponse } from '@connectrpc/connect';
import type { Message } from './call.ts';

/** What a handler answered: Connect's `UnaryResponse` or `StreamResponse`, whose metadata are made when first used. */
export class Answer<T extends Message | AsyncIterable<Message> = Message | AsyncIterable<Message>> {
  readonly method: DescMethod;
  readonly message: T;
  #header: Headers | undefined;
  #plainHeaders: [string, string][] | undefined;
  #trailer: Headers | undefined;

  constructor(method: DescMethod, message: T) {
    this.method = method;
    this.message = message;
  }

  get stream(): boolean {
    return this.method.methodKind !== 'unary';
  }

  get service(): DescService {
    return this.method.parent;
  }

  get header(): Headers {
    this.#header ??= new Headers(this.#plainHeaders);
    return this.#header;
  }

  /** Sets one header, named in lower case: cheaper than by `header`, which makes a Headers object. */
  setHeader(name: string, value: string): void {
    if (this.#header) this.#header.set(name, value);
    else this.#plainHeaders = [...(this.#plainHeaders ?? []).filter(([other]) => other !== name), [name, value]];
  }

  get trailer(): Headers {
    this.#trailer ??= new Headers();
    return this.#trailer;
  }

  /** The headers if any were set, by name and value. */
  get headerIfAny(): Iterable<[string, string]> | undefined {
    return this.#header ?? this.#plainHeaders;
  }

  get trailerIfAny(): Iterable<[string, string]> | undefined {
    return this.#trailer;
  }

  /** The same answer with other messages: how middleware watches or changes a stream. */
  withMessage(message: T): Answer<T> {
    const answer = new Answer(this.method, message);
    answer.#header = this.#header;
    answer.#plainHeaders = this.#plainHeaders;
    answer.#trailer = this.#trailer;
    return answer;
  }
}

/** The answer behind what an interceptor is given, see `callOf`. */
export function answerOf(response: UnaryResponse | StreamResponse): Answer {
  if (!((response as unknown) instanceof Answer)) throw new TypeError('not an answer of the bus');
  return response as unknown as Answer;
}

export type ConnectResponse = UnaryResponse | StreamResponse;

/** The answer in the type that interceptors pass on. */
export function toResponse(answer: Answer): ConnectResponse {
  return answer as unknown as ConnectResponse;
}
