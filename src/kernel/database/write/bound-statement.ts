import { isRaw, JsonProperty, Utils } from '@mikro-orm/core';
import type { PostgreSqlPlatform } from '@mikro-orm/postgresql';

/** A statement as PostgreSQL takes it: its values are beside the text. */
export interface BoundStatement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Placeholders of MikroORM: `\?` is a question mark, `??` an identifier, `?` a value. */
const PLACEHOLDER = /\\\?|\?\??/g;

/**
 * The statement that MikroORM means by a text with question marks. Its own `formatQuery` writes the values into the text, where they
 * would be in logs and traces, and nothing could be prepared; this one reads the same placeholders and keeps the values beside it.
 */
export function boundStatement(platform: PostgreSqlPlatform, sql: string, parameters: readonly unknown[]): BoundStatement {
  if (parameters.length === 0) return { text: sql, values: [] };
  const values: unknown[] = [];

  function written(text: string, given: readonly unknown[]): string {
    let next = 0;
    return text.replace(PLACEHOLDER, (placeholder) => {
      if (placeholder === '\\?') return '?';
      const parameter = given[next++];
      return placeholder === '??' ? platform.quoteIdentifier(parameter as string) : value(parameter);
    });
  }

  function value(parameter: unknown): string {
    if (isRaw(parameter)) return written(parameter.sql, parameter.params);
    // A list, such as that of `in (?)`: an array that a column holds comes as text.
    if (Array.isArray(parameter) && !isJson(parameter)) return parameter.map(value).join(', ');
    values.push(toParameter(platform, parameter));
    return `$${values.length}`;
  }

  return { text: written(sql, parameters), values };
}

function toParameter(platform: PostgreSqlPlatform, value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (value instanceof Date) return platform.formatDate(value);
  if (typeof value === 'bigint') return value.toString();
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return Utils.isPlainObject(value) || isJson(value) ? JSON.stringify(value) : value;
}

const isJson = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Boolean((value as { [JsonProperty]?: true })[JsonProperty]);
