import { create, type DescMethod, type DescService } from '@bufbuild/protobuf';
import { Code, ConnectError, type ContextValues, createClient, createContextValues, type Transport } from '@connectrpc/connect';
import type { Logger } from 'pino';
import { Reason } from '#gen/cqrs/v1/reasons_pb.js';
import { CONSISTENCY_HEADER } from '../../bus/bus-headers.ts';
import { type Cause, causeKey, principalKey } from '../../bus/context-keys.ts';
import { messageKind, methodName } from '../../bus/convention.ts';
import { DomainError } from '../../bus/errors.ts';
import { failureOf } from '../../bus/failure.ts';
import type { Principal } from '../../bus/principal.ts';
import { hiddenTexts } from '../../bus/redaction.ts';
import { codeName } from '../../telemetry/code-name.ts';
import { errorForm } from '../../telemetry/error-form.ts';
import { inReaction } from '../../telemetry/reaction-span.ts';
import type { ReactedEvent, ReactionTools, Reactor, SendOptions } from '../reactor.ts';
import { EventRefused, type FeedEvent, type FeedHandler, Transient } from './feed-handler.ts';

/** Of the header that the middleware of idempotency reads. */
const KEY_HEADER = 'idempotency-key';

/** By its id, the keys of its commands are known and kept: see `MAY_COME_AGAIN` in idempotency-keys.ts. */
const principalOf = (name: string, permissions: Iterable<string>): Principal => ({
  id: `reactor ${name}`,
  roles: [],
  permissions: new Set(permissions),
  session: '',
});

export interface ReactorParts {
  /** Of the bus, in this process. */
  readonly transport: Transport;
  /** Everything that can be permitted. */
  readonly permissions: Iterable<string>;
  readonly logger: Pick<Logger, 'error'>;
}

/** A reactor as processors run it: its effects are the commands that it sends, each of which happens once by its key. */
export function reactorHandler(reactor: Reactor, { transport, permissions, logger }: ReactorParts): FeedHandler {
  const { name, on, from, partitions = 1 } = reactor;
  const reactions = new Map(on.map(({ event, react }) => [event.typeName, react]));
  const principal = principalOf(name, permissions);
  return {
    name,
    kind: 'reactor',
    types: [...reactions.keys()],
    partitions,
    from,
    definition: '',
    parts: [],
    readsData: false,
    react: (event, signal) => {
      const react = reactions.get(event.schema.typeName);
      return inReaction(name, event, async () => {
        try {
          await react?.(event.message as never, reactedEvent(event), toolsFor(event, { transport, principal, signal }));
        } catch (error) {
          const judgement = judged(error, event, signal);
          if (isDefect(error) && !signal.aborted)
            logger.error(
              { err: errorForm(error, hiddenTexts(event.schema, event.message)), reactor: name, event_id: event.id },
              'a reaction failed',
            );
          throw judgement;
        }
      });
    },
  };
}

function reactedEvent({ schema, message: _, traceparent: __, correlationId: ___, ...columns }: FeedEvent): ReactedEvent {
  return { type: schema.typeName, ...columns };
}

function toolsFor(
  { id, commandId, correlationId = commandId }: FeedEvent,
  { transport, principal, signal }: { transport: Transport; principal: Principal; signal: AbortSignal },
): ReactionTools {
  const cause: Cause = { eventId: id, correlationId };
  const sent = new Map<DescMethod, number>();
  const identified = (): ContextValues => createContextValues().set(principalKey, principal).set(causeKey, cause);

  /** By the order in which the commands of the rpc are sent, unless the reaction says it. */
  function keyFor(method: DescMethod, key: string | undefined): string {
    if (key !== undefined) return `${id}:${key}`;
    const nth = (sent.get(method) ?? 0) + 1;
    sent.set(method, nth);
    return nth === 1 ? id : `${id}-${nth}`;
  }

  const send: ReactionTools['send'] = async (method, request, { key, accepts = [] }: SendOptions = {}) => {
    if (messageKind(method.parent) !== 'command') throw new TypeError(`${methodName(method)} is no command: use \`ask\``);
    const header = { [KEY_HEADER]: keyFor(method, key) };
    try {
      const answer = await transport.unary(method, signal, undefined, header, request, identified());
      return answer.message as never;
    } catch (error) {
      const { reason } = failureOf(error);
      if (accepts.includes(reason)) return undefined as never;
      // It was done when the event came before; the answer went with the person that it was about.
      if (reason === Reason[Reason.ANSWER_ERASED]) return create(method.output) as never;
      throw new CallFailed(method, error);
    }
  };

  return { send, ask: (service: DescService) => createClient(service, asking(transport, identified)) as never, signal };
}

/** Queries by the principal of the reactor, of the primary. */
function asking(transport: Transport, identified: () => ContextValues): Transport {
  const strong = (given: Parameters<Transport['unary']>[3]): Headers => {
    const header = new Headers(given);
    if (!header.has(CONSISTENCY_HEADER)) header.set(CONSISTENCY_HEADER, 'strong');
    return header;
  };
  return {
    unary: async (method, signal, timeoutMs, header, input) => {
      try {
        return await transport.unary(method, signal, timeoutMs, strong(header), input, identified());
      } catch (error) {
        throw new CallFailed(method, error);
      }
    },
    stream: (method, signal, timeoutMs, header, input) =>
      transport.stream(method, signal, timeoutMs, strong(header), input, identified()),
  };
}

/** What a call failed with is in the log already, where it is not planned. */
const isDefect = (error: unknown): boolean => codeOf(error) === undefined;

/** The call of a reaction that failed, in words that hold nothing of the request or the answer. */
export class CallFailed extends Error {
  readonly code: Code;
  readonly reason: string;

  constructor(method: DescMethod, cause: unknown) {
    const { code, reason } = failureOf(cause);
    super(`${methodName(method)}: ${codeName(code)} ${reason}`, { cause });
    this.name = 'CallFailed';
    this.code = code;
    this.reason = reason;
  }
}

/** Failures that say nothing against the event: what failed now works later. */
const TRANSIENT: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Aborted,
  Code.ResourceExhausted,
  Code.DeadlineExceeded,
  Code.Canceled,
]);

function judged(error: unknown, { schema }: FeedEvent, signal: AbortSignal): Transient | EventRefused {
  const told = wordsOf(error) ?? `${Error.isError(error) ? error.name : 'Error'} in the reaction to ${schema.typeName}`;
  const isTransient = signal.aborted || TRANSIENT.has(codeOf(error) ?? Code.Internal);
  return isTransient ? new Transient(new Error(told, { cause: error })) : new EventRefused(told, error);
}

function wordsOf(error: unknown): string | undefined {
  if (error instanceof CallFailed) return error.message;
  const code = codeOf(error);
  return code === undefined ? undefined : `${codeName(code)} ${failureOf(error).reason}`;
}

/** Of a call, or of an error that a reaction throws as a handler does. */
function codeOf(error: unknown): Code | undefined {
  return error instanceof CallFailed || error instanceof ConnectError || error instanceof DomainError ? error.code : undefined;
}
