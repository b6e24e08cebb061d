/**
 * For clients of the service, in Node.js and in browsers: interceptors for any transport of Connect, and updates by version. See
 * docs/clients/typescript.md.
 *
 * @module bicameral/client
 */
export { errorInfo } from './error-info.ts';
export { idempotencyKeys } from './idempotency-keys.ts';
export { readYourWrites, type SeenState } from './read-your-writes.ts';
export { type RetryOptions, retries } from './retries.ts';
export { type OptimisticUpdate, updateOptimistically } from './update-optimistically.ts';
