import type { OutageLog } from '../background/outage-log.ts';
import type { Answer } from '../bus/answer.ts';
import { CONSISTENCY_TOKEN_HEADER } from '../bus/bus-headers.ts';
import type { ConsistencyTokens, TokenState } from './token.ts';

/** Gives answers of commands their consistency tokens. An answer whose state could not be told goes without one; why is logged, once an outage. */
export class AnswerTokens {
  readonly #tokens: Pick<ConsistencyTokens, 'seal'>;
  readonly #outages: Pick<OutageLog, 'failed' | 'worked'>;

  constructor(tokens: Pick<ConsistencyTokens, 'seal'>, outages: Pick<OutageLog, 'failed' | 'worked'>) {
    this.#tokens = tokens;
    this.#outages = outages;
  }

  /** `state`: what the database has, or why nobody knows. */
  give(answer: Answer, state: TokenState | Error): void {
    if (Error.isError(state)) {
      this.#outages.failed(state);
      return;
    }
    this.#outages.worked();
    answer.setHeader(CONSISTENCY_TOKEN_HEADER, this.#tokens.seal(state));
  }
}
