import type { DescMethod } from '@bufbuild/protobuf';
import { accessRule } from '../bus/access.ts';
import { messageKind } from '../bus/convention.ts';
import { holdsSecrets } from '../bus/redaction.ts';

/** A key of gRPC metadata, or a header of HTTP: what belongs to the bus and not to one message. */
export interface BusMetadata {
  readonly name: string;
  readonly where: 'request' | 'answer';
  /** The rpcs that it means something to, in words. */
  readonly rpcs: string;
  readonly appliesTo: (method: DescMethod) => boolean;
  readonly meaning: string;
  /** JSON Schema of the value. */
  readonly schema: Readonly<Record<string, unknown>>;
}

const isCommand = (method: DescMethod): boolean => messageKind(method.parent) === 'command';
const isQuery = (method: DescMethod): boolean => messageKind(method.parent) === 'query';

/** Whether a token is of no use to the rpc. */
export const isAnonymous = (method: DescMethod): boolean => accessRule(method)?.anonymous === true;

/** Whether a command takes an idempotency key: not when its answer is a secret, which is never stored. */
export const takesKey = (method: DescMethod): boolean => isCommand(method) && !holdsSecrets(method.output);

/** Every key that the bus knows, but `authorization`, which is told with who may call an rpc. */
export const BUS_METADATA: readonly BusMetadata[] = [
  {
    name: 'idempotency-key',
    where: 'request',
    rpcs: 'commands, except those that return a secret',
    appliesTo: takesKey,
    meaning:
      'Makes it safe to send the command again. For 24 hours a command with the same key is not done again: the caller gets the first answer. Another request under the key is refused.',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
  },
  {
    name: 'cqrs-dry-run',
    where: 'request',
    rpcs: 'commands that need a token',
    appliesTo: (method) => isCommand(method) && !isAnonymous(method),
    meaning:
      'With `true` everything runs and is rolled back. The caller gets the answer or the error that the command would have had, without secrets.',
    schema: { type: 'string', enum: ['true', 'false'] },
  },
  {
    name: 'cqrs-consistency',
    where: 'request',
    rpcs: 'queries',
    appliesTo: isQuery,
    meaning:
      'With `strong` the query reads the primary, and so sees everything that was answered before. Without it, a replica can be some milliseconds behind. Another value is refused.',
    schema: { type: 'string', enum: ['strong'] },
  },
  {
    name: 'cqrs-max-staleness',
    where: 'request',
    rpcs: 'queries',
    appliesTo: isQuery,
    meaning:
      'How old at most what is read may be, such as `500ms`, `5s` or `1m`. A replica that is not known to be as fresh is not read; the primary is always fresh enough.',
    schema: { type: 'string', pattern: '^[0-9]{1,9}(ms|s|m)$' },
  },
  {
    name: 'cqrs-consistency-token',
    where: 'request',
    rpcs: 'queries',
    appliesTo: isQuery,
    meaning:
      'A token of an earlier answer, of a command or a query. The query sees at least what that answer told of, on any instance, whichever database is read. A client that has tokens of calls that ran side by side sends up to eight, with a comma between them. A command takes it and does nothing with it, so that clients may send it always.',
    schema: { type: 'string' },
  },
  {
    name: 'traceparent',
    where: 'request',
    rpcs: 'all',
    appliesTo: () => true,
    meaning: 'W3C Trace Context. Its id is in the log of the service and beside the events.',
    schema: { type: 'string' },
  },
  {
    name: 'traceparent',
    where: 'answer',
    rpcs: 'all',
    appliesTo: () => true,
    meaning: 'The span of the call, when the service records it. Errors have it too.',
    schema: { type: 'string' },
  },
  {
    name: 'cqrs-command-id',
    where: 'answer',
    rpcs: 'commands',
    appliesTo: isCommand,
    meaning: 'The id of the record of the command. Errors have it too.',
    schema: { type: 'string', format: 'uuid' },
  },
  {
    name: 'cqrs-consistency-token',
    where: 'answer',
    rpcs: 'commands',
    appliesTo: isCommand,
    meaning:
      'What the database had when the command was committed, or when its first answer was given again. Opaque, good for a day. Errors and dry runs have none.',
    schema: { type: 'string' },
  },
  {
    name: 'cqrs-replayed',
    where: 'answer',
    rpcs: 'commands with a key',
    appliesTo: takesKey,
    meaning: '`true` when this is the first answer for the key, given again.',
    schema: { type: 'string', enum: ['true'] },
  },
  {
    name: 'cqrs-served-by',
    where: 'answer',
    rpcs: 'queries',
    appliesTo: isQuery,
    meaning: 'The database that was read: `primary`, or `replica-1` and so on.',
    schema: { type: 'string' },
  },
  {
    name: 'cqrs-staleness-ms',
    where: 'answer',
    rpcs: 'queries',
    appliesTo: isQuery,
    meaning:
      'How old at most what was read is, in milliseconds: 0 from the primary; from a replica the time since it was seen last to have everything that the primary had written.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
  },
];
