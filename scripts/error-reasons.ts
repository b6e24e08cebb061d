/**
 * Finds every reason that the code can answer: that of each class below DomainError. What it does not understand it throws, with the
 * file, because a reason that is missing here would be missing in docs/errors.md.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CODES } from '../src/kernel/bus/error-codes.ts';
import type { ErrorKind } from '../src/kernel/bus/errors.ts';
import type { ErrorReason } from '../src/kernel/contracts/errors.ts';
import { codeName } from '../src/kernel/telemetry/code-name.ts';
import { type ErrorClass, errorClasses, reasonStrings } from './error-classes.ts';

const ROOT = 'DomainError';
const UPPER_SNAKE = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/;

/** The reasons of the TypeScript files below a folder, by domain and by name. */
export function readErrorReasons(folder = 'src'): readonly ErrorReason[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return findErrorReasons(new Map(files.map((file) => [join(folder, file), readFileSync(join(folder, file), 'utf8')])));
}

/** The reasons of sources, given by path. */
export function findErrorReasons(sources: ReadonlyMap<string, string>): readonly ErrorReason[] {
  const classes = [...sources].flatMap(([file, source]) => errorClasses(file, source));
  const reasons = classes.flatMap((found) => {
    const lineage = lineageOf(found, classes);
    return lineage.at(-1)?.parent === ROOT && !found.isAbstract ? [reasonOf(found, lineage)] : [];
  });

  const known = new Set(reasons.map(({ reason }) => reason));
  for (const [file, source] of sources) {
    const stray = reasonStrings(source).find((text) => UPPER_SNAKE.test(text) && !known.has(text));
    if (stray !== undefined) throw new Error(`${file}: the reason ${stray} is not that of a class below ${ROOT}`);
  }
  return reasons.sort((a, b) => order(a.domain, b.domain) || order(a.reason, b.reason));
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** A class and those it extends, below ROOT. */
function lineageOf(found: ErrorClass, classes: readonly ErrorClass[]): readonly ErrorClass[] {
  const parents = classes.filter(({ name }) => name === found.parent && name !== ROOT);
  if (parents.length > 1) throw new Error(`${found.file}: ${found.name} extends ${found.parent}, the name of two classes`);
  return [found, ...parents.flatMap((parent) => lineageOf(parent, classes))];
}

function reasonOf({ name, file, docstring }: ErrorClass, lineage: readonly ErrorClass[]): ErrorReason {
  const fail = (problem: string): never => {
    throw new Error(`${file}: ${name} ${problem}`);
  };
  const sets = (property: string): boolean => lineage.some(({ properties }) => properties.has(property));
  const stringOf = (property: string): string | undefined => {
    const value = lineage.find(({ properties }) => properties.has(property))?.properties.get(property);
    return value?.type === 'StringLiteral' ? value.value : undefined;
  };

  const reason = stringOf('reason') ?? '';
  if (!UPPER_SNAKE.test(reason)) fail('has no `reason` that is an UPPER_SNAKE string');
  const kind = stringOf('kind') ?? fail('has no `kind` that is a string');
  const code = CODES[kind as ErrorKind] ?? fail(`is of the unknown kind ${kind}`);
  if (docstring === '') fail('has no docstring, by which docs/errors.md tells callers what to do');

  return {
    domain: stringOf('domain') ?? packageOf(file) ?? fail('has no `domain` and is in no module'),
    reason,
    code: codeName(code),
    meaning: docstring,
    metadata: [...new Set(lineage.flatMap(({ metadata }) => metadata))],
    details: [
      ...(kind === 'invalid' && sets('violations') ? ['BadRequest'] : []),
      ...(kind === 'precondition' ? ['PreconditionFailure'] : []),
      ...(sets('resource') ? ['ResourceInfo'] : []),
      ...(sets('retryAfterMs') ? ['RetryInfo'] : []),
    ],
  };
}

/** The package of a module's rpcs, which is the domain of its own errors. */
function packageOf(file: string): string | undefined {
  const [, module] = /(?:^|\/)modules\/([^/]+)\//.exec(file) ?? [];
  return module && `${module}.v1`;
}
