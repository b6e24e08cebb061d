import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  toBinary,
} from '@bufbuild/protobuf';
import { Code, ConnectError, type ContextValues, createClient, createContextValues, type Transport } from '@connectrpc/connect';
import type { Logger } from 'pino';
import { Reason } from '#gen/cqrs/v1/reasons_pb.js';
import { CONSISTENCY_HEADER } from '../../bus/bus-headers.ts';
import { type Cause, causeKey, principalKey } from '../../bus/context-keys.ts';
import { messageKind, methodName } from '../../bus/convention.ts';
import { DomainError } from '../../bus/errors.ts';
import { failureOf } from '../../bus/failure.ts';
import type { Principal } from '../../bus/principal.ts';
import { hiddenTexts, holdsSecrets } from '../../bus/redaction.ts';
import { KEY_HEADER } from '../../middleware/idempotency.ts';
import { codeName } from '../../telemetry/code-name.ts';
import { errorForm } from '../../telemetry/error-form.ts';
import { inReaction } from '../../telemetry/reaction-span.ts';
import type { ProcessManager, ProcessTools } from '../process-manager.ts';
import type { ReactedEvent, ReactionTools, Reactor, SendOptions } from '../reactor.ts';
import { millisecondsOf } from '../timers/duration.ts';
import { Change } from './effects.ts';
import { EventRefused, type FeedEvent, type FeedHandler, Transient } from './feed-handler.ts';

/** By its id, the keys of its commands are known and kept: see `MAY_COME_AGAIN` in idempotency-keys.ts. */
export const reactorPrincipal = (name: string, permissions: Iterable<string>): Principal => ({
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
  /** Makes the ids of timers. */
  readonly newId: () => string;
}

/** A reactor or a process manager, as their handler knows both. */
interface Reacting extends Omit<Reactor, 'on'> {
  readonly state?: DescMessage;
  readonly on: readonly {
    readonly event: DescMessage;
    readonly by?: ((message: never, event: ReactedEvent) => string) | undefined;
    readonly react: (message: never, event: ReactedEvent, tools: never) => Promise<unknown>;
  }[];
}

/**
 * A reactor as processors run it. Its effects are the commands that it sends, each of which happens once by its key, and rows that commit with its checkpoint:
 * timers, and what the processes of a process manager remember.
 */
export function reactorHandler(reactor: Reactor | ProcessManager, parts: ReactorParts): FeedHandler {
  const { name, on, from, partitions = 1, state }: Reacting = reactor;
  const reactions = new Map(on.map((reaction) => [reaction.event.typeName, reaction]));
  const principal = reactorPrincipal(name, parts.permissions);
  return {
    name,
    kind: 'reactor',
    types: [...reactions.keys()],
    partitions,
    from,
    definition: '',
    parts: [],
    readsData: false,
    react: (event, signal, effects) => {
      const { by, react } = reactions.get(event.schema.typeName) ?? {};
      const told = reactedEvent(event);
      const message = event.message as never;
      async function judging<T>(run: () => T | Promise<T>): Promise<T> {
        try {
          return await run();
        } catch (error) {
          const judgement = judged(error, event, signal);
          if (isDefect(error) && !signal.aborted)
            parts.logger.error(
              { err: errorForm(error, hiddenTexts(event.schema, event.message)), reactor: name, event_id: event.id },
              'a reaction failed',
            );
          throw judgement;
        }
      }
      return inReaction(name, event, async () => {
        const change = new Change(
          await judging(() => (by ? nameOf(by(message, told), 'the key of a process') : event.aggregateId)),
        );
        const tools = toolsFor(event, { ...parts, principal, signal, change });
        // That the state cannot be read says nothing against the event.
        const remembered = state && (await effects.stateOf(change.key));
        await judging(async () => {
          const given = state ? withState(tools, { change, state, remembered }) : tools;
          await react?.(message, told, given as never);
        });
        effects.add(change);
      });
    },
  };
}

function reactedEvent({ schema, message: _, traceparent: __, correlationId: ___, ...columns }: FeedEvent): ReactedEvent {
  return { type: schema.typeName, ...columns };
}

/** The tools of a process manager. */
function withState(
  tools: ReactionTools,
  { change, state, remembered }: { change: Change; state: DescMessage; remembered: Uint8Array | undefined },
): ProcessTools<DescMessage> {
  return {
    ...tools,
    state: remembered && fromBinary(state, remembered),
    setState: (next) => {
      change.state = toBinary(state, create(state, next));
    },
    end: () => change.end(),
  };
}

/** Throws for what is no name of a process or a timer. */
function nameOf(name: unknown, what: string): string {
  if (typeof name === 'string' && name.length >= 1 && name.length <= LONGEST_NAME) return name;
  throw new TypeError(`${what} has to be 1 to ${LONGEST_NAME} characters`);
}

const LONGEST_NAME = 200;

/** Throws for a command that could not be sent later, or not once. */
function checkTimer(method: DescMethod, request: Message): void {
  const name = methodName(method);
  if (messageKind(method.parent) !== 'command') throw new TypeError(`${name} is no command: a timer sends commands`);
  if (holdsSecrets(method.output))
    throw new TypeError(`${name} returns a secret, so it takes no idempotency key: nobody could send it once`);
  if (hiddenTexts(method.input, request).length > 0)
    throw new TypeError(
      `the request of ${name} holds what is secret or personal: a timer keeps ids, and its command looks up the rest`,
    );
}

function toolsFor(
  { id, commandId, correlationId = commandId, traceparent, occurredAt }: FeedEvent,
  {
    transport,
    principal,
    signal,
    change,
    newId,
  }: Pick<ReactorParts, 'transport' | 'newId'> & { principal: Principal; signal: AbortSignal; change: Change },
): ReactionTools {
  const cause: Cause = { eventId: id, correlationId };
  const sent = new Map<DescMethod, number>();
  const identified = (): ContextValues => createContextValues().set(principalKey, principal).set(causeKey, cause);

  const after: ReactionTools['after'] = (duration, method, init, { key, accepts = [] } = {}) => {
    const request = create(method.input, init);
    checkTimer(method, request);
    const name = key === undefined ? `${id} ${change.timers.size + 1}` : nameOf(key, 'the key of a timer');
    change.timers.set(name, {
      id: newId(),
      method,
      request,
      accepts,
      dueAt: new Date(occurredAt.getTime() + millisecondsOf(duration)),
      eventId: id,
      correlationId,
      traceparent,
    });
  };
  const cancel = (key: string): void => void change.timers.set(key, null);

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

  const ask = (service: DescService): never => createClient(service, asking(transport, identified)) as never;
  return { send, ask, after, cancel, signal };
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

export const isTransient = (code: Code): boolean => TRANSIENT.has(code);

function judged(error: unknown, { schema }: FeedEvent, signal: AbortSignal): Transient | EventRefused {
  const told = wordsOf(error) ?? `${Error.isError(error) ? error.name : 'Error'} in the reaction to ${schema.typeName}`;
  const passes = signal.aborted || isTransient(codeOf(error) ?? Code.Internal);
  return passes ? new Transient(new Error(told, { cause: error })) : new EventRefused(told, error);
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
