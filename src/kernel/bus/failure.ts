import { Code, ConnectError } from '@connectrpc/connect';
import { DomainError } from './errors.ts';
import { reasonIn } from './typed-error.ts';

/** By which code and for which reason a call fails, as its caller sees it: what nobody planned is INTERNAL. */
export function failureOf(error: unknown): { readonly code: Code; readonly reason: string } {
  if (error instanceof DomainError) return error;
  const reason = error instanceof ConnectError ? reasonIn(error) : undefined;
  return reason === undefined ? INTERNAL : { code: (error as ConnectError).code, reason };
}

const INTERNAL = { code: Code.Internal, reason: 'INTERNAL' };
