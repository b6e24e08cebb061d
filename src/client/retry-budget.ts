import { RETRY_THROTTLING } from '../kernel/contracts/retry-policy.ts';

/** Ends retries while most calls fail: see RETRY_THROTTLING. */
export class RetryBudget {
  #tokens: number = RETRY_THROTTLING.maxTokens;

  get isSpent(): boolean {
    return this.#tokens <= RETRY_THROTTLING.maxTokens / 2;
  }

  succeeded(): void {
    this.#tokens = Math.min(RETRY_THROTTLING.maxTokens, this.#tokens + RETRY_THROTTLING.tokenRatio);
  }

  failed(): void {
    this.#tokens = Math.max(0, this.#tokens - 1);
  }
}
