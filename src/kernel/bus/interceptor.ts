/** The one place where calls and answers of the bus become Connect's requests and responses, and the other way round. */
import { create, type DescMessage, type DescMethod } from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  type ContextValues,
  type Interceptor,
  type StreamResponse,
  type UnaryResponse,
} from '@connectrpc/connect';
import { Answer } from './answer.ts';
import type { Around, Next } from './around.ts';
import type { Call, Message } from './call.ts';
import { CallCanceled, DeadlinePassed, DomainError } from './errors.ts';
import { typedError, withReason } from './typed-error.ts';

type Handle = ReturnType<Interceptor>;
type Request = Parameters<Handle>[0];
type Response = Awaited<ReturnType<Handle>>;
type Messages = AsyncIterable<Message>;

/**
 * Has any interceptor of Connect stand around the rest of the way. As in Connect it is given plain objects, passes on the ones that it got
 * or copies of them, and meets errors as ConnectErrors. What it costs, only the rpcs pay that it stands at.
 */
export function aroundInterceptor(interceptor: Interceptor, method: DescMethod): Around {
  return (next) => async (call) => {
    const passage = new Passage(call, next, method);
    try {
      return passage.toAnswer(await interceptor(passage.next)(passage.request));
    } catch (error) {
      passage.leave();
      throw passage.toThrow(error);
    }
  };
}

/** What an answer is to a caller in this process. */
export const asUnaryResponse = <I extends DescMessage, O extends DescMessage>(answer: Answer): UnaryResponse<I, O> =>
  answer as unknown as UnaryResponse<I, O>;
export const asStreamResponse = <I extends DescMessage, O extends DescMessage>(answer: Answer<Messages>): StreamResponse<I, O> =>
  answer as unknown as StreamResponse<I, O>;

const added = new WeakMap<DomainError, Headers>();

/** What interceptors wrote into the metadata of the error that their `next` threw. */
export function addedMetadata(error: unknown): Iterable<[string, string]> {
  return (error instanceof DomainError && added.get(error)) || [];
}

/** One call on its way through one interceptor. */
class Passage {
  readonly request: Request;
  readonly #call: Call;
  readonly #rest: Next;
  readonly #method: DescMethod;
  /** The answers that the interceptor was given, by what it was given. */
  readonly #answers = new Map<Response, { readonly answer: Answer; readonly message: unknown }>();
  #last: Answer | undefined;
  /** Of the last of them, when it is a stream. */
  #inside: ShownMessages | undefined;
  /** What the errors are that the interceptor was shown. */
  readonly #shown = new Map<unknown, unknown>();
  #forgetSignal = (): void => {};

  constructor(call: Call, rest: Next, method: DescMethod) {
    this.#call = call;
    this.#rest = rest;
    this.#method = method;
    this.request = shownRequest(call) as Request;
  }

  /** What the interceptor calls, once, again or never. */
  readonly next = async (passed: Request): Promise<Response> => {
    await this.#takeOver(passed);
    try {
      return this.#show(await this.#rest(this.#call));
    } catch (error) {
      throw this.#toShow(error);
    }
  };

  /** What the interceptor changed counts for all that is inside of it. */
  async #takeOver(passed: Request): Promise<void> {
    const call = this.#call;
    const { request } = this;
    if (passed.message !== (request.message as unknown)) await this.#takeMessage(passed);
    else if (!passed.stream) call.request = passed.message;
    if (passed === request) return;
    if (passed.header !== request.header) call.header = passed.header;
    if (passed.contextValues !== request.contextValues) copyValues(passed.contextValues, call.contextValues);
    if (passed.signal !== request.signal) this.#follow(passed.signal);
  }

  async #takeMessage({ stream, message }: Request): Promise<void> {
    const call = this.#call;
    if (!stream) call.request = create(this.#method.input, message);
    else if (call.requests) call.requests = message;
    else call.request = create(this.#method.input, await onlyOne(message));
  }

  #follow(signal: AbortSignal): void {
    const cancel = (): void =>
      this.#call.cancellation.cancel(isTimeout(signal.reason) ? new DeadlinePassed() : new CallCanceled());
    this.#forgetSignal();
    this.#forgetSignal = () => signal.removeEventListener('abort', cancel);
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel);
  }

  #show(answer: Answer): Response {
    const { stream, service, method } = answer;
    this.#last = answer;
    if (stream) {
      this.#inside = new ShownMessages(answer.message as Messages, (error) => this.#toShow(error));
    }
    const message = this.#inside ?? answer.message;
    const response = {
      stream,
      service,
      method,
      message,
      get header() {
        return answer.header;
      },
      get trailer() {
        return answer.trailer;
      },
    } as unknown as Response;
    this.#answers.set(response, { answer, message });
    return response;
  }

  /** The answer that the interceptor means: one that it was given, a changed one, or its own. */
  toAnswer(response: Response): Answer {
    const given = this.#answers.get(response);
    if (!response.stream) {
      this.#forgetSignal();
      if (given?.message === response.message) return given.answer;
      return this.#changed(response, create(this.#method.output, response.message));
    }
    const heard = heardMessages(response.message, { toThrow: (error) => this.toThrow(error), onEnd: () => this.leave() });
    return this.#changed(response, heard);
  }

  #changed({ header, trailer }: Response, message: Message | Messages): Answer {
    return Answer.with(this.#method, message, { header, trailer, commandId: this.#last?.commandId });
  }

  /** After the end of a call nothing is left behind, whether the interceptor read its answer to the end or not. */
  leave(): void {
    this.#forgetSignal();
    this.#inside?.close();
  }

  #toShow(error: unknown): unknown {
    const shown = error instanceof DomainError ? typedError(error) : error;
    this.#shown.set(shown, error);
    return shown;
  }

  /** What came from inside goes on as it was. A ConnectError of the interceptor itself is a planned one. */
  toThrow(error: unknown): unknown {
    const original = this.#shown.get(error);
    if (original === undefined) return error instanceof ConnectError ? withReason(error, this.#method) : error;
    if (original instanceof DomainError && error instanceof ConnectError && [...error.metadata].length > 0) {
      added.set(original, error.metadata);
    }
    return original;
  }
}

/** As Connect has it: plain fields, which can be copied. What costs something is made when it is looked at. */
function shownRequest(call: Call): unknown {
  return {
    stream: call.stream,
    service: call.service,
    method: call.method,
    message: call.message,
    requestMethod: call.requestMethod,
    get url() {
      return call.url;
    },
    get header() {
      return call.header;
    },
    get signal() {
      return call.signal;
    },
    get contextValues() {
      return call.contextValues;
    },
  };
}

/** The messages of an answer as the interceptor sees them, with errors of Connect. */
class ShownMessages implements AsyncIterable<Message> {
  readonly #messages: Messages;
  readonly #toShow: (error: unknown) => unknown;
  #iterator: AsyncIterator<Message> | undefined;
  #isOver = false;

  constructor(messages: Messages, toShow: (error: unknown) => unknown) {
    this.#messages = messages;
    this.#toShow = toShow;
  }

  [Symbol.asyncIterator](): AsyncIterator<Message> {
    const iterator = this.#started();
    return {
      next: () =>
        iterator.next().then(
          (result) => {
            if (result.done) this.#isOver = true;
            return result;
          },
          (error: unknown) => {
            this.#isOver = true;
            throw this.#toShow(error);
          },
        ),
      return: async (value) => {
        this.#isOver = true;
        return (await iterator.return?.(value)) ?? { done: true, value };
      },
    };
  }

  /** A generator that was never begun leaves nothing when it is left, so that nobody would learn that its messages are not read. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#started()
      .return?.()
      .catch(() => undefined);
  }

  #started(): AsyncIterator<Message> {
    this.#iterator ??= this.#messages[Symbol.asyncIterator]();
    return this.#iterator;
  }
}

/** The messages that the interceptor passes on. */
function heardMessages(messages: Messages, on: { toThrow: (error: unknown) => unknown; onEnd: () => void }): Messages {
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]();
      return {
        next: () =>
          iterator.next().then(
            (result) => {
              if (result.done) on.onEnd();
              return result;
            },
            (error: unknown) => {
              on.onEnd();
              throw on.toThrow(error);
            },
          ),
        return: async (value) => {
          try {
            return (await iterator.return?.(value)) ?? { done: true, value };
          } finally {
            on.onEnd();
          }
        },
      };
    },
  };
}

async function onlyOne(messages: Messages): Promise<Message> {
  const [message, ...more] = await Array.fromAsync(messages);
  if (message && more.length === 0) return message;
  throw new ConnectError('a server-streaming call needs one request message', Code.InvalidArgument);
}

/** Connect keeps the values of a call as properties of the object. */
function copyValues(from: ContextValues, to: ContextValues): void {
  for (const id of Object.getOwnPropertySymbols(from)) {
    to.set({ id, defaultValue: undefined }, (from as unknown as Record<symbol, unknown>)[id]);
  }
}

const isTimeout = (reason: unknown): boolean =>
  (reason instanceof ConnectError && reason.code === Code.DeadlineExceeded) ||
  (reason instanceof DOMException && reason.name === 'TimeoutError');
