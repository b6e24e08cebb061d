import type { DescMethod, DescService } from '@bufbuild/protobuf';
import type { StreamResponse, UnaryResponse } from '@connectrpc/connect';
import type { Message } from './call.ts';

/** What a handler answered: Connect's `UnaryResponse` or `StreamResponse`, whose metadata are made when first used. */
export class Answer<T extends Message | AsyncIterable<Message> = Message | AsyncIterable<Message>> {
  readonly method: DescMethod;
  readonly message: T;
  #header: Headers | undefined;
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
    this.#header ??= new Headers();
    return this.#header;
  }

  get trailer(): Headers {
    this.#trailer ??= new Headers();
    return this.#trailer;
  }

  /** The headers if any were set. */
  get headerIfAny(): Headers | undefined {
    return this.#header;
  }

  get trailerIfAny(): Headers | undefined {
    return this.#trailer;
  }

  /** The same answer with other messages: how middleware watches or changes a stream. */
  withMessage(message: T): Answer<T> {
    const answer = new Answer(this.method, message);
    answer.#header = this.#header;
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
