import { Code, ConnectError } from '@connectrpc/connect';
import { DomainError } from '../bus/errors.ts';

/** The code by which callers see an error. */
export const codeOf = (error: unknown): Code =>
  error instanceof ConnectError || error instanceof DomainError ? error.code : Code.Internal;
