import { ConnectError } from '@connectrpc/connect';
import { type ErrorInfo, ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';

/**
 * Why the service refused a call: `reason`, `domain` and `metadata` of an error, as docs/errors.md lists them. Undefined for what the
 * service never said, such as a connection that broke.
 *
 * ```ts
 * try {
 *   await users.createUser({ email, name, password });
 * } catch (error) {
 *   if (errorInfo(error)?.reason === 'EMAIL_TAKEN') return 'somebody has this e-mail';
 *   throw error;
 * }
 * ```
 */
export function errorInfo(error: unknown): ErrorInfo | undefined {
  return ConnectError.from(error).findDetails(ErrorInfoSchema)[0];
}
