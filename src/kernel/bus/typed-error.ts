import type { DescMethod } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import {
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
  PreconditionFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from '#gen/google/rpc/error_details_pb.js';
import type { DomainError } from './errors.ts';

type Detail = NonNullable<ConstructorParameters<typeof ConnectError>[3]>[number];

/** Whether the error says its reason (AIP-193), in whatever form its details are. */
export function hasErrorInfo(error: ConnectError): boolean {
  return error.details.some((detail) => ('desc' in detail ? detail.desc.typeName : detail.type) === ErrorInfoSchema.typeName);
}

/** The `reason` of the error's google.rpc.ErrorInfo. */
export function reasonIn(error: ConnectError): string | undefined {
  for (const detail of error.details) {
    if ('desc' in detail && detail.desc.typeName === ErrorInfoSchema.typeName) return (detail.value as Partial<ErrorInfo>).reason;
  }
  return undefined;
}

/** Gives an error that has none a reason: the name of its code. */
export function withReason(error: ConnectError, { parent }: DescMethod): ConnectError {
  if (!hasErrorInfo(error)) {
    const reason = Code[error.code].replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
    error.details.push(errorInfo({ reason, domain: parent.file.proto.package }));
  }
  return error;
}

function errorInfo(info: { reason: string; domain: string; metadata?: Readonly<Record<string, string>> }): Detail {
  const metadata = Object.entries(info.metadata ?? {}).map(([key, value]) => [key, bounded(value, MAX_TEXT)]);
  return { desc: ErrorInfoSchema, value: { ...info, metadata: Object.fromEntries(metadata) } };
}

/** A planned outcome as callers see it. */
export function typedError(error: DomainError): ConnectError {
  const { reason, domain, metadata, resource, retryAfterMs } = error;
  const message = bounded(error.message, MAX_TEXT);
  const details = [errorInfo({ reason, domain, metadata })];
  if (error.code === Code.InvalidArgument && error.violations.length > 0) details.push(badRequest(error));
  if (error.code === Code.FailedPrecondition) {
    const subject = resource ? `${resource.type}/${resource.name}` : '';
    const violations = [{ type: reason, subject, description: message }];
    details.push({ desc: PreconditionFailureSchema, value: { violations } });
  }
  if (resource) {
    const value = { resourceType: resource.type, resourceName: bounded(resource.name, MAX_TEXT), description: message };
    details.push({ desc: ResourceInfoSchema, value });
  }
  if (retryAfterMs !== undefined) {
    const retryDelay = { seconds: BigInt(Math.floor(retryAfterMs / 1000)), nanos: Math.round((retryAfterMs % 1000) * 1e6) };
    details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  }
  return new ConnectError(message, error.code, undefined, details, error);
}

/**
 * An error travels in HTTP/2 trailers, and some clients accept no more than 8 to 16 KiB of those: parts that repeat what the caller
 * sent are cut. Well-formed, because a lone surrogate cannot be written in a header.
 */
const MAX_TEXT = 500;
const MAX_VIOLATIONS = 20;

function bounded(text: string, length: number): string {
  return (text.length > length ? `${text.slice(0, length)}…` : text).toWellFormed();
}

function badRequest({ violations }: DomainError): Detail {
  const fieldViolations = violations.slice(0, MAX_VIOLATIONS).map(({ field, description, rule }) => ({
    field: bounded(field, 100),
    description: bounded(description, 200),
    reason: rule === undefined ? '' : upperSnake(rule),
  }));
  return { desc: BadRequestSchema, value: { fieldViolations } };
}

/** `string.min_len` as `STRING_MIN_LEN`, the form that BadRequest asks for. */
const upperSnake = (rule: string): string => rule.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_');
