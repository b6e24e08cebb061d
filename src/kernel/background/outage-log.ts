import type { Logger } from 'pino';
import { errorCode } from '../database/sql-errors.ts';

/** Says once that calls fail because of the database, with what it said, and once that they work again. */
export class OutageLog {
  readonly #what: string;
  readonly #logger: Pick<Logger, 'error' | 'info'>;
  #failed = 0;

  /** `what` fails, as the log says it: `commands`. */
  constructor(what: string, logger: Pick<Logger, 'error' | 'info'>) {
    this.#what = what;
    this.#logger = logger;
  }

  failed(error: unknown): void {
    this.#failed += 1;
    if (this.#failed > 1) return;
    this.#logger.error({ err: error, code: errorCode(error) }, `the database fails ${this.#what}`);
  }

  worked(): void {
    if (this.#failed === 0) return;
    this.#logger.info({ failed: this.#failed }, `${this.#what} work again`);
    this.#failed = 0;
  }
}
