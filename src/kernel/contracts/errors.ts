import { readFileSync } from 'node:fs';

/** One reason, as callers meet it. */
export interface ErrorReason {
  /** The proto package that `ErrorInfo.domain` names. */
  readonly domain: string;
  readonly reason: string;
  /** As the gRPC specification writes it, e.g. `NOT_FOUND`. */
  readonly code: string;
  /** What it means and what a caller can do. */
  readonly meaning: string;
  /** Keys of `ErrorInfo.metadata`. */
  readonly metadata: readonly string[];
  /** Messages of google.rpc beside ErrorInfo. */
  readonly details: readonly string[];
}

const LIST = new URL('../../../gen/errors.json', import.meta.url);

/** Every reason that an error can have, as `npm run generate` found them in the code. */
export const readErrors = (): readonly ErrorReason[] => JSON.parse(readFileSync(LIST, 'utf8'));
