import type { ConsistencyTokens } from '../../src/kernel/consistency/token.ts';

/** Where a test has no use for consistency tokens. */
export const NO_TOKENS: ConsistencyTokens = {
  seal: () => 'a token',
  open: () => {
    throw new Error('no token is expected here');
  },
};
