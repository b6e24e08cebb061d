import type { DescMessage, DescMethod, JsonObject, JsonValue } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import { codeToHttpStatus } from '@connectrpc/connect/protocol-connect';
import { methodName } from '../bus/convention.ts';
import { codeName } from '../telemetry/code-name.ts';
import { BUS_METADATA, isAnonymous } from './bus-metadata.ts';
import { commentOf } from './comments.ts';
import { contractDescriptors, contractServices } from './descriptors.ts';
import type { ErrorReason } from './errors.ts';
import { jsonSchemas, schemaReference } from './json-schema.ts';
import { limitsInWords } from './limits-in-words.ts';
import { commonReasons, ownReasons, purposeOf } from './reasons.ts';
import type { ReferenceParts } from './reference.ts';
import { whoMayCall } from './who-may-call.ts';

/** The name of Connect's error in the document. */
const ERROR = 'connect.Error';
/** What ErrorInfo and the other details of errors are made of. */
const DETAILS = ['ErrorInfo', 'BadRequest', 'PreconditionFailure', 'ResourceInfo', 'RetryInfo'].map(
  (name) => `google.rpc.${name}`,
);

const CODES = Object.values(Code).filter((code) => typeof code === 'number');

/**
 * An OpenAPI 3.1 document of the JSON that the Connect door speaks: every rpc by POST, queries by GET too, with the rules of protovalidate
 * as JSON Schema, the metadata of the bus as headers, and the reasons of errors by HTTP status.
 */
export function openApi(parts: ReferenceParts & { readonly version: string }): JsonObject {
  const methods = contractServices().flatMap((service) => service.methods);
  const details = DETAILS.map((name) => contractDescriptors().getMessage(name)).filter((type) => type !== undefined);
  const requests: ReadonlySet<DescMessage> = new Set(methods.map(({ input }) => input));
  const messages = [...methods.flatMap(({ input, output }) => [input, output]), ...details];
  return {
    openapi: '3.1.0',
    info: {
      title: 'Bicameral',
      version: parts.version,
      description:
        'The JSON of the Connect protocol (https://connectrpc.com/docs/protocol). An answer omits empty fields, and 64-bit numbers are strings. Compare `ErrorInfo.reason` of an error, not its message.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'The address of the Connect door, HTTP_ADDRESS.' }],
    tags: contractServices().map((service) => ({ name: service.typeName, description: commentOf(service) })),
    paths: Object.fromEntries(methods.map((method) => [`/${methodName(method)}`, pathItem(method, parts)])),
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The access token that LogIn returns.' },
      },
      schemas: { [ERROR]: errorSchema(), ...jsonSchemas(messages, requests) },
    },
  };
}

function pathItem(method: DescMethod, parts: ReferenceParts): JsonObject {
  const isStream = method.methodKind === 'server_streaming';
  const isSafe = method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  return {
    post: {
      ...operation(method, parts),
      operationId: methodName(method).replace('/', '.'),
      parameters: headers(method),
      requestBody: {
        required: true,
        content: isStream ? stream(method.input) : { 'application/json': { schema: schemaReference(method.input.typeName) } },
      },
    },
    ...(isSafe &&
      !isStream && {
        get: {
          ...operation(method, parts),
          operationId: `${methodName(method).replace('/', '.')}.get`,
          parameters: [...getParameters(method), ...headers(method)],
        },
      }),
  };
}

/** What is the same by POST and by GET. */
function operation(method: DescMethod, parts: ReferenceParts): JsonObject {
  const description = [
    purposeOf(method),
    `Who may call it: ${whoMayCall(method, parts.roles)}.`,
    ...limitsInWords(method).map((limit) => `Limit: ${limit}.`),
  ];
  return {
    tags: [method.parent.typeName],
    summary: method.name,
    description: description.join('\n\n'),
    security: isAnonymous(method) ? [] : [{ token: [] }],
    responses: { 200: answer(method), ...(method.methodKind === 'unary' ? failures(method, parts.errors) : {}) },
  };
}

/** Of Connect's GET requests: https://connectrpc.com/docs/protocol#unary-get-request */
function getParameters({ input }: DescMethod): JsonObject[] {
  return [
    { name: 'connect', in: 'query', required: true, schema: { const: 'v1' } },
    { name: 'encoding', in: 'query', required: true, schema: { const: 'json' } },
    {
      name: 'message',
      in: 'query',
      required: true,
      content: { 'application/json': { schema: schemaReference(input.typeName) } },
    },
  ];
}

function headers(method: DescMethod): JsonObject[] {
  const ours = BUS_METADATA.filter(({ where, appliesTo }) => where === 'request' && appliesTo(method));
  return [
    ...ours.map(({ name, meaning, schema }) => ({ name, in: 'header', description: meaning, schema: schema as JsonObject })),
    {
      name: 'connect-timeout-ms',
      in: 'header',
      description: 'How long the caller waits, in milliseconds. After that the call ends with DEADLINE_PASSED.',
      schema: { type: 'integer', minimum: 0 },
    },
  ];
}

function answer(method: DescMethod): JsonObject {
  const ours = BUS_METADATA.filter(({ where, appliesTo }) => where === 'answer' && appliesTo(method));
  const isStream = method.methodKind === 'server_streaming';
  return {
    description: isStream ? 'A stream. Its last envelope holds the error, if there is one.' : 'Done.',
    headers: Object.fromEntries(
      ours.map(({ name, meaning, schema }) => [name, { description: meaning, schema: schema as JsonObject }]),
    ),
    content: isStream ? stream(method.output) : { 'application/json': { schema: schemaReference(method.output.typeName) } },
  };
}

/** OpenAPI has no words for messages that are sent one after the other, each behind a byte of flags and four of length. */
function stream({ typeName }: DescMessage): JsonObject {
  return {
    'application/connect+json': {
      schema: { type: 'string', format: 'binary', description: `Envelopes of Connect, each with the JSON of one ${typeName}.` },
    },
  };
}

/** The answers that are errors, by the HTTP status that Connect gives to their codes. */
function failures(method: DescMethod, errors: readonly ErrorReason[]): JsonObject {
  const reasons = [...ownReasons(method, errors), ...commonReasons(method.parent, errors)];
  const byStatus = Map.groupBy(reasons, ({ code }) => statusOf(code));
  const entries = [...byStatus].sort(([a], [b]) => a - b).map(([status, listed]) => [String(status), failure(listed)] as const);
  return { ...Object.fromEntries(entries), default: { description: 'Any other error.', content: errorContent } };
}

const errorContent = { 'application/json': { schema: schemaReference(ERROR) } };

function failure(reasons: readonly ErrorReason[]): JsonValue {
  const told = [...new Set(reasons)].map(({ reason, code, meaning }) => `- \`${reason}\` (${code}): ${meaning}`);
  return { description: told.join('\n'), content: errorContent };
}

function statusOf(name: string): number {
  const code = CODES.find((candidate) => codeName(candidate) === name);
  return codeToHttpStatus(code ?? Code.Unknown);
}

function errorSchema(): JsonObject {
  return {
    type: 'object',
    description: "Connect's error. Its details are messages of google.rpc; ErrorInfo is always one of them.",
    required: ['code'],
    properties: {
      code: { type: 'string', enum: CODES.map((code) => connectName(code)) },
      message: { type: 'string', description: 'For people; it may change.' },
      details: {
        type: 'array',
        items: {
          type: 'object',
          required: ['type', 'value'],
          properties: {
            type: { type: 'string', description: 'E.g. `google.rpc.ErrorInfo`.' },
            value: { type: 'string', contentEncoding: 'base64', description: 'The message in binary form, without padding.' },
            debug: { description: 'The message in JSON.', anyOf: DETAILS.map(schemaReference) },
          },
        },
      },
    },
  };
}

/** E.g. `not_found`. Connect writes CANCELLED with one L. */
const connectName = (code: Code): string => codeName(code).toLowerCase().replace('cancelled', 'canceled');
