import { createHash } from 'node:crypto';
import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import { domainError, type FieldViolation } from '../../bus/errors.ts';
import { PageTokenInvalid, type PageTokens } from '../../bus/page-token.ts';

/**
 * The resume token of a request belongs to another stream. `LiveQuery.watch` throws it.
 *
 * ```ts
 * for await (const told of liveOrders.watch(read, list, { resumeToken: request.resumeToken, signal })) yield toMessage(told);
 * ```
 */
export class ResumeTokenInvalid extends domainError(ReasonSchema, Reason.RESUME_TOKEN_INVALID) {
  override readonly violations: readonly FieldViolation[] = [
    { field: 'resume_token', description: 'is no token of this stream with these fields; call without it' },
  ];
  constructor() {
    super('the resume token does not belong to this stream');
  }
}

/** Where a watcher goes on. */
export interface Resumption {
  /** Everything up to this place of the feed was told, but for what the snapshot has behind `key`. */
  readonly place: bigint;
  /** The last row of a snapshot that has not ended. */
  readonly key?: readonly string[] | undefined;
}

/** Makes and reads the resume tokens of one list. They hold for every instance and every database. */
export interface ResumeTokens {
  readonly seal: (resumption: Resumption) => string;
  /** Undefined without a token. Throws ResumeTokenInvalid. */
  readonly open: (token: string) => Resumption | undefined;
}

/** `list` says in full what is watched: it may be long. */
export function resumeTokens(pageTokens: PageTokens, list: readonly unknown[]): ResumeTokens {
  const identity = ['watch', createHash('sha256').update(JSON.stringify(list)).digest('base64')];
  return {
    seal: ({ place, key = [] }) => pageTokens.seal(identity, [String(place), ...key]),
    open(token) {
      if (token === '') return undefined;
      try {
        const [place = '', ...key] = pageTokens.open(identity, token);
        return { place: BigInt(place), key: key.length > 0 ? key : undefined };
      } catch (error) {
        throw error instanceof PageTokenInvalid ? new ResumeTokenInvalid() : error;
      }
    },
  };
}
