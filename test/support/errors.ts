import { Code, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema, ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.js';

/** What a failed call says, in a form that reads well in an assertion. */
export interface Refusal {
  readonly code: string;
  readonly reason: string | undefined;
  readonly metadata: Record<string, string>;
  readonly fields: string[];
}

/** The refusal a call is expected to end with; fails when the call succeeds. */
export async function refusalOf(call: Promise<unknown>): Promise<Refusal> {
  const error = await call.then(
    (answer) => {
      throw new Error(
        `expected a refusal, got ${JSON.stringify(answer, (_, value) => (typeof value === 'bigint' ? String(value) : value))}`,
      );
    },
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw error;
  // In process, details are still messages; from a wire they are bytes.
  const outgoing = <T>(typeName: string): T | undefined =>
    error.details.flatMap((detail) => ('desc' in detail && detail.desc.typeName === typeName ? [detail.value as T] : []))[0];
  const info =
    outgoing<{ reason: string; metadata?: Record<string, string> }>(ErrorInfoSchema.typeName) ??
    error.findDetails(ErrorInfoSchema)[0];
  const bad =
    outgoing<{ fieldViolations?: { field: string }[] }>(BadRequestSchema.typeName) ?? error.findDetails(BadRequestSchema)[0];
  return {
    code: Code[error.code] ?? '',
    reason: info?.reason,
    metadata: info?.metadata ?? {},
    fields: (bad?.fieldViolations ?? []).map(({ field }) => field ?? ''),
  };
}

/** The reason of a failed call; undefined when it is none. */
export async function reasonOf(error: unknown): Promise<string | undefined> {
  return error instanceof ConnectError ? (await refusalOf(Promise.reject(error))).reason : undefined;
}
