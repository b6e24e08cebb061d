import { GeneratorError } from './generator-error.ts';
import { GLOBALS, PROTOBUF_KEYWORDS, SQL_KEYWORDS, TYPESCRIPT_KEYWORDS } from './reserved-words.ts';

/** A name in every form in which code writes it. */
export interface Name {
  /** `PurchaseOrder`: messages, rpcs, classes. */
  readonly pascal: string;
  /** `purchaseOrder`: variables, methods. */
  readonly camel: string;
  /** `purchase_order`: fields, tables, schemas, packages. */
  readonly snake: string;
  /** `purchase-order`: files. */
  readonly kebab: string;
  /** `PURCHASE_ORDER`: reasons and other values of enums. */
  readonly constant: string;
  /** `purchase order`: sentences. */
  readonly words: string;
}

/** What a name is given to; each is written in other languages, and each has other words that it cannot be. */
export type NameKind = 'service' | 'module' | 'command' | 'query' | 'aggregate' | 'event' | 'projection' | 'migration';

/** PostgreSQL cuts identifiers at 63 bytes, and what is generated adds to a name. */
const LONGEST = 40;

const EXAMPLES: Readonly<Record<NameKind, string>> = {
  service: 'shop',
  module: 'orders',
  command: 'CancelOrder',
  query: 'GetOrder',
  aggregate: 'Order',
  event: 'OrderCanceled',
  projection: 'order-totals',
  migration: 'order-notes',
};

/** Reads a name that was given in kebab, snake, camel or Pascal case. Throws GeneratorError, with the remedy, for one that cannot be used. */
export function parseName(kind: NameKind, text: string): Name {
  if (!/^[A-Za-z][A-Za-z0-9]*([-_][A-Za-z][A-Za-z0-9]*)*$/.test(text)) {
    throw new GeneratorError(
      `${JSON.stringify(text)} is no name of a ${kind}: give letters and digits that begin with a letter, such as ${EXAMPLES[kind]}.`,
    );
  }
  const name = nameOf(text.split(/[-_]/).flatMap(wordsOf));
  if (name.snake.length > LONGEST) {
    throw new GeneratorError(`${text} has ${name.snake.length} characters: give a name of a ${kind} of at most ${LONGEST}.`);
  }
  const reserved = reservedBy(kind, name);
  if (reserved) {
    throw new GeneratorError(
      `${text} is ${reserved}, so it cannot name a ${kind}: give a name that says more, such as ${EXAMPLES[kind]}.`,
    );
  }
  return name;
}

/** A name of these words, in lower case. */
export function nameOf(words: readonly string[]): Name {
  const pascal = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  return {
    pascal,
    camel: pascal.charAt(0).toLowerCase() + pascal.slice(1),
    snake: words.join('_'),
    kebab: words.join('-'),
    constant: words.join('_').toUpperCase(),
    words: words.join(' '),
  };
}

/** `HTTPServer` is two words, as `HttpServer` is: the names of files are made from those of rpcs, by their capitals. */
function wordsOf(text: string): string[] {
  return (text.match(/[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z0-9]+/g) ?? []).map((word) => word.toLowerCase());
}

/** What word of which language the name is; undefined: none. */
function reservedBy(kind: NameKind, { snake, camel, pascal }: Name): string | undefined {
  if (kind === 'service' || kind === 'migration') return undefined;
  // An rpc's name is the name of its handler, and an aggregate's that of the variables that hold one.
  if (kind !== 'projection' && TYPESCRIPT_KEYWORDS.has(camel)) return 'a word of TypeScript';
  if (kind === 'module' && PROTOBUF_KEYWORDS.has(snake)) return 'a word of protobuf';
  // Other tables are quoted.
  if ((kind === 'module' || kind === 'projection') && SQL_KEYWORDS.has(snake)) return 'a word of SQL';
  if (kind === 'module' && KERNEL_MODULES.has(snake)) return 'a name of the kernel';
  if (kind === 'aggregate' && GLOBALS.has(pascal)) return 'the name of a class of JavaScript';
  return undefined;
}

/** Packages of contracts and schemas of the database that are there before any module. */
const KERNEL_MODULES = new Set(['cqrs', 'read', 'public', 'buf', 'google', 'grpc', 'information_schema']);
