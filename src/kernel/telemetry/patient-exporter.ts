import type { ExportResult } from '@opentelemetry/core';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';

/** Spans that no collector got, since the program began, by why. */
export const lostSpans = {
  /** The queue was full: the collector is away, or slower than the spans come. */
  queueFull: 0,
  /** The collector said that it does not take them. */
  refused: 0,
  /** They were on their way when the program ended. */
  atStop: 0,
};

/** How long it waits before it offers the same spans again, in milliseconds. The exporter inside has tried several times until then. */
const PAUSE = 5_000;

/** OTLP: statuses of HTTP and codes of gRPC after which the same spans may be sent again. Other failures have none, such as a collector that is away. */
const PASSING: ReadonlySet<unknown> = new Set([429, 502, 503, 504, 1, 4, 8, 10, 11, 14, 15]);

/**
 * Offers spans to the collector until it takes them: those that come meanwhile wait in the queue before it, which is bounded. So a program
 * that starts before its collector loses what the queue cannot hold, and no more.
 *
 * That nothing gets through is one line in the log, and that it does again another one.
 */
export class PatientExporter implements SpanExporter {
  readonly #inner: SpanExporter;
  readonly #logger: Pick<Logger, 'warn' | 'info'>;
  readonly #pauseMs: number;
  readonly #stopping = new AbortController();
  #isFailing = false;
  #underWay = 0;

  constructor(inner: SpanExporter, { logger, pauseMs = PAUSE }: { logger: Pick<Logger, 'warn' | 'info'>; pauseMs?: number }) {
    this.#inner = inner;
    this.#logger = logger;
    this.#pauseMs = pauseMs;
  }

  /** Spans that it was given and that no collector has yet. */
  get underWay(): number {
    return this.#underWay;
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    void this.#deliver(spans).then(done);
  }

  async #deliver(spans: ReadableSpan[]): Promise<ExportResult> {
    this.#underWay += spans.length;
    for (;;) {
      const result = await new Promise<ExportResult>((done) => this.#inner.export(spans, done));
      const isTaken = result.error === undefined;
      if (isTaken) this.#worked();
      else this.#failed(result.error);
      const isOver = isTaken || this.#stopping.signal.aborted || isRefusal(result.error);
      if (isOver) {
        this.#underWay -= spans.length;
        if (!isTaken) lostSpans[this.#stopping.signal.aborted ? 'atStop' : 'refused'] += spans.length;
        return result;
      }
      await this.#pause();
    }
  }

  /** From now on, what fails is not offered again. */
  stopTrying(): void {
    this.#stopping.abort();
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }

  #failed(error: unknown): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#logger.warn({ err: error }, 'traces cannot be exported; trying again');
  }

  #worked(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#logger.info({ lost: { ...lostSpans } }, 'traces are exported again');
  }

  #pause(): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, this.#pauseMs).unref();
      signal.addEventListener('abort', wake);
    });
  }
}

const isRefusal = (error: unknown): boolean =>
  Error.isError(error) && 'code' in error && typeof error.code === 'number' && !PASSING.has(error.code);
