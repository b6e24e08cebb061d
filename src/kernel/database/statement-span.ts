import type pg from 'pg';
import { ATTRIBUTE, type SpanAttributes } from '../telemetry/attributes.ts';
import { type BegunSpan, beginSpan, markFailed, SpanKind } from '../telemetry/spans.ts';
import { errorCode } from './sql-errors.ts';
import { knownSummary } from './statement-summary.ts';

/** What a statement goes to. */
export interface StatementTarget {
  readonly purpose: string;
  readonly client: Pick<pg.Client, 'host' | 'port' | 'database'>;
}

/** Begins the span of a statement that is sent as part of a recorded call; undefined when it is none. */
export function beginStatement(text: string, { purpose, client }: StatementTarget): BegunSpan | undefined {
  const summary = knownSummary(text);
  const attributes: SpanAttributes = {
    [ATTRIBUTE.dbSystem]: 'postgresql',
    [ATTRIBUTE.dbNamespace]: client.database,
    [ATTRIBUTE.dbQuerySummary]: summary,
    [ATTRIBUTE.dbQueryText]: text,
    [ATTRIBUTE.dbPool]: purpose,
    [ATTRIBUTE.serverAddress]: client.host,
    [ATTRIBUTE.serverPort]: client.port,
  };
  return beginSpan(summary, { kind: SpanKind.CLIENT, attributes });
}

/** Ends it. Every error of a statement is one, also where the command knows what it means. */
export function endStatement({ span, end }: BegunSpan, error: unknown): void {
  if (error) {
    const state = errorCode(error);
    if (state !== undefined) span.setAttribute(ATTRIBUTE.dbStatusCode, state);
    markFailed(span, error);
  }
  end();
}
