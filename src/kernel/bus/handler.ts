import type {
  DescMessage,
  DescMethod,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  Message,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { Result } from 'neverthrow';
import type { DomainError } from './errors.ts';

/** What is asked of a projection that a query reads. */
export interface ReadProjection {
  readonly name: string;
  /** The types of events that it takes. */
  readonly events: readonly DescMessage[];
}

/** A function that answers a unary rpc: what it returns in an `Err` becomes a typed error, what it throws an INTERNAL one. */
export type UnaryHandle<M extends DescMethodUnary, C> = (
  request: MessageShape<M['input']>,
  context: C,
) => Promise<Result<MessageInitShape<M['output']>, DomainError>>;

/** A function that answers a server-streaming rpc. It throws a `DomainError` to end the stream with it. */
export type StreamHandle<M extends DescMethodServerStreaming, C> = (
  request: MessageShape<M['input']>,
  context: C,
) => AsyncIterable<MessageInitShape<M['output']>>;

/**
 * The type of what a handler answers, with `never` for every field that the message does not have: a surplus field, such as a misspelled one,
 * would be dropped without a word.
 */
export type Exact<Answered, Output extends DescMessage> = Answered & ExactFields<Answered, MessageShape<Output>>;

/** Of a message whose type is known only at run time, anything goes. */
type ExactFields<Answered, Shape> = Shape extends { readonly $typeName: infer Name }
  ? string extends Name
    ? unknown
    : { readonly [Field in keyof Answered]: Field extends keyof Shape ? ExactField<Answered[Field], Shape[Field]> : never }
  : unknown;

type ExactField<Answered, Shape> = Answered extends Message | undefined
  ? Answered
  : NonNullable<Shape> extends Message
    ? Answered & ExactFields<Answered, NonNullable<Shape>>
    : Answered;

/** An rpc joined to the function that answers it. Made by `command`, `query` and `streamQuery`. */
export interface UnaryHandler<M extends DescMethodUnary, C> {
  readonly method: M;
  readonly handle: UnaryHandle<M, C>;
  /** Of a command that may change several aggregates: see `CommandOptions`. */
  readonly changes?: readonly string[];
  /** Of a query that reads async projections: see `QueryOptions`. */
  readonly projections?: readonly ReadProjection[];
}

/**
 * An rpc joined to the function that answers it with a stream. Made by `streamQuery`.
 */
export interface StreamHandler<M extends DescMethodServerStreaming, C> {
  readonly method: M;
  readonly handle: StreamHandle<M, C>;
}

/** A handler of any rpc, as registered. `C` is the context that its module gives it. */
export interface AnyHandler<C = never> {
  readonly method: DescMethod;
  readonly handle: (request: never, context: C) => unknown;
  readonly changes?: readonly string[];
  readonly projections?: readonly ReadProjection[];
}

/** One handler for each rpc of a service, under the rpc's name: what the generated registries must satisfy. */
export type HandlersOf<S extends DescService> = {
  readonly [Name in keyof S['method']]: S['method'][Name] extends DescMethodUnary
    ? UnaryHandler<S['method'][Name], never>
    : S['method'][Name] extends DescMethodServerStreaming
      ? StreamHandler<S['method'][Name], never>
      : never;
};
