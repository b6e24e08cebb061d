import { type DescMethod, type DescService, fromBinary } from '@bufbuild/protobuf';
import type { Message } from './call.ts';

/** The form in which a door gives one answer to many calls, kept with the answer. */
export interface KeptForm {
  json: Uint8Array | undefined;
}

/** What a handler answered: Connect's `UnaryResponse` or `StreamResponse`, whose metadata are made when first used. */
export class Answer<T extends Message | AsyncIterable<Message> = Message | AsyncIterable<Message>> {
  readonly method: DescMethod;
  #message: T | undefined;
  #bytes: Uint8Array | undefined;
  #keptForm: KeptForm | undefined;
  #header: Headers | undefined;
  #plainHeaders: [string, string][] | undefined;
  #trailer: Headers | undefined;
  #commandId: string | undefined;

  constructor(method: DescMethod, message: T) {
    this.method = method;
    this.#message = message;
  }

  get message(): T {
    if (this.#message === undefined) {
      this.#message = fromBinary(this.method.output, this.#bytes ?? NONE) as T;
      // From now on it may be changed.
      this.#bytes = undefined;
      this.#keptForm = undefined;
    }
    return this.#message;
  }

  /** The message as it goes over the wire, where the answer has it in this form and nobody has looked at the message. */
  get bytes(): Uint8Array | undefined {
    return this.#bytes;
  }

  /** Where the answer is one that many calls are given, and `bytes` are its message: what a door has made of them. */
  get keptForm(): KeptForm | undefined {
    return this.#keptForm;
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
    if (this.#header) {
      this.#header.set(name, value);
      return;
    }
    this.#plainHeaders ??= [];
    const known = this.#plainHeaders.find(([other]) => other === name);
    if (known) known[1] = value;
    else this.#plainHeaders.push([name, value]);
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

  /** Of a command: the id of the one whose record is about this answer. Another id than the call's own says that it was given before. */
  get commandId(): string | undefined {
    return this.#commandId;
  }

  /** The answer, from now on as one that is on the record of that command. */
  recordedAs(commandId: string): this {
    this.#commandId = commandId;
    return this;
  }

  /** The same unary answer in the form of the wire. */
  inBytes(bytes: Uint8Array): Answer<Message> {
    const answer = this.withMessage<Message>(undefined as never);
    answer.#bytes = bytes;
    return answer;
  }

  /** A unary answer in the form of the wire, whose message is made when somebody looks at it. The headers are named in lower case. */
  static inBytes(
    method: DescMethod,
    bytes: Uint8Array,
    headers: Iterable<readonly [string, string]>,
    keptForm?: KeptForm,
  ): Answer<Message> {
    const answer = new Answer<Message>(method, undefined as never);
    answer.#bytes = bytes;
    answer.#keptForm = keptForm;
    answer.#plainHeaders = Array.from(headers, ([name, value]) => [name, value]);
    return answer;
  }

  /** An answer with metadata that exist. */
  static with(
    method: DescMethod,
    message: Answer['message'],
    { header, trailer, commandId }: { header: Headers; trailer: Headers; commandId: string | undefined },
  ): Answer {
    const answer = new Answer(method, message);
    answer.#commandId = commandId;
    answer.#header = header;
    answer.#trailer = trailer;
    return answer;
  }

  /** The same answer with other messages: how middleware watches or changes a stream. */
  withMessage<M extends Message | AsyncIterable<Message>>(message: M): Answer<M> {
    const answer = new Answer(this.method, message);
    answer.#header = this.#header;
    answer.#plainHeaders = this.#plainHeaders?.map(([name, value]) => [name, value]);
    answer.#trailer = this.#trailer;
    answer.#commandId = this.#commandId;
    return answer;
  }
}

const NONE = new Uint8Array();
