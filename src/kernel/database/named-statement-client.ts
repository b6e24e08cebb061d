import { createHash } from 'node:crypto';
import { recordedSpan } from '../telemetry/spans.ts';
import { CommitQuery } from './commit-query.ts';
import { DatabaseClient } from './database-client.ts';
import { applicationName } from './pg-internals.ts';
import { PreparedRead } from './read/prepared-read.ts';
import { beginStatement, endStatement } from './statement-span.ts';
import { knownSummary } from './statement-summary.ts';

/** Statement texts that may be prepared on one connection; past it (a text that varies without bound), a statement goes unnamed. */
const MOST_NAMES = 1000;
const names = new Map<string, string>();

/** A name for a statement, the same for the same text, that tells a reader of pg_stat_activity or a trace what it does. */
export function statementName(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= MOST_NAMES) return known;
  const [verb = 'statement'] = text.trimStart().split(/\s/, 1);
  const table = /\b(?:from|into|update)\s+((?:"?\w+"?\.)?"?\w+"?)/i.exec(text)?.[1]?.replaceAll('"', '') ?? '';
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const name = [verb.toLowerCase(), table, digest].filter(Boolean).join(' ').slice(0, 63);
  names.set(text, name);
  return name;
}

/** Sees every statement text that goes out, for tests, and what the connection is for: `bicameral commands`. */
export type StatementListener = (text: string, purpose: string) => void;

/** Takes what a statement does (`statementSummary`), how long its answer took, and the error if it failed. */
export type StatementMeter = (summary: string, seconds: number, error: unknown) => void;

/**
 * A `pg` client that sends every statement with values by name, so that PostgreSQL parses and plans it once a connection.
 * Whoever issues the statement (MikroORM, Kysely, the pool) need not know. As part of a recorded call, each has a span.
 */
export class NamedStatementClient extends DatabaseClient {
  static listener: StatementListener | undefined;

  /** Told of every statement that has ended. */
  meter: StatementMeter | undefined;

  override query(...parameters: never[]): never {
    NamedStatementClient.listener?.(textOf(parameters), applicationName(this));
    return this.meter || recordedSpan() ? this.#watched(parameters) : this.#send(parameters);
  }

  #watched(parameters: never[]): never {
    const text = textOf(parameters);
    const begun = recordedSpan() && beginStatement(text, { purpose: applicationName(this), client: this });
    const { meter } = this;
    const started = performance.now();
    const end = (error?: unknown): void => {
      if (begun) endStatement(begun, error);
      meter?.(knownSummary(text), (performance.now() - started) / 1000, error);
    };
    const callback: unknown = parameters.at(-1);
    if (typeof callback === 'function') {
      const ended = (error: unknown, result: unknown): void => {
        end(error);
        callback(error, result);
      };
      return this.#send([...parameters.slice(0, -1), ended as never]);
    }
    const result = this.#send(parameters) as unknown;
    const ended = result instanceof CommitQuery || result instanceof PreparedRead ? result.done : result;
    // What is no promise, such as a cursor, ends where nobody sees it.
    if (ended instanceof Promise) ended.then(() => end(), end);
    return result as never;
  }

  #send(parameters: never[]): never {
    const [text, values, callback] = parameters as unknown[];
    if (typeof text === 'string' && Array.isArray(values) && values.length > 0) {
      const name = statementName(text);
      const named = { text, values, ...(name === undefined ? {} : { name }) };
      return super.query(named as never, callback as never) as never;
    }
    return super.query(...(parameters as [never])) as never;
  }
}

function textOf([statement]: readonly unknown[]): string {
  return typeof statement === 'string' ? statement : String((statement as { text?: string } | undefined)?.text);
}
