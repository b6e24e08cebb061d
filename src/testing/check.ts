import { AssertionError, deepStrictEqual } from 'node:assert';
import { inspect, types } from 'node:util';
import { Expectation, isMatcher } from './expectation.ts';
import type { Outcome } from './outcome.ts';

/**
 * What came of a command is not what the test expects. Its stack begins at the `then` of the test.
 *
 * ```ts
 * expect(() => given(ada).when((user) => user.rename('Eve')).then(nothing)).toThrow(ExpectationFailed);
 * ```
 */
export class ExpectationFailed extends Error {
  constructor(message: string, caller: Called) {
    super(message);
    this.name = 'ExpectationFailed';
    Error.captureStackTrace(this, caller);
  }
}

/** The function whose callers are shown. */
type Called = (...values: never[]) => unknown;

/** Brings an expected event into the form that the recorded ones have; `recorded` is the one at its place. */
export type ExpectedForm = (expected: object, recorded: unknown) => unknown;

/** Compares what came of a command with what `then` was told to expect. Throws ExpectationFailed, with a diff that every test runner shows. */
export function check(
  outcome: Outcome<unknown>,
  expected: readonly object[],
  { form = (event) => event, caller }: { form?: ExpectedForm; caller: Called },
): void {
  const expectations = expected.filter((item) => item instanceof Expectation);
  const events = expected.filter((item) => !(item instanceof Expectation));
  const about = (kind: Expectation['about']): object | undefined => expectations.find((item) => item.about === kind)?.expected;
  const compare = (what: string, actual: unknown, wanted: unknown): void => compareAs(what, actual, wanted, caller);

  const refusal = about('refusal');
  if (refusal) {
    if (expected.length > 1) throw new TypeError('a refused command records and answers nothing: expect the refusal alone');
    if (!outcome.refusal) {
      const reason = 'reason' in refusal ? refusal.reason : '';
      throw new ExpectationFailed(
        `expected the refusal ${reason}, but it succeeded and recorded ${listed(outcome.events)}`,
        caller,
      );
    }
    compare('was refused in another way than expected', named(outcome.refusal, refusal), matched(outcome.refusal, refusal));
    if (outcome.events.length > 0)
      throw new ExpectationFailed(`was refused, and recorded all the same ${listed(outcome.events)}`, caller);
    return;
  }
  if (outcome.refusal) {
    const { reason, message, ...rest } = outcome.refusal;
    throw new ExpectationFailed(`was refused: ${reason} (${message}) ${inspect(rest)}`, caller);
  }
  const wanted = events.map((event, index) => matched(outcome.events[index], form(event, outcome.events[index])));
  compare('recorded other events than expected', outcome.events, wanted);
  const answer = about('answer');
  if (answer) compare('answered otherwise than expected', named(outcome.answer, answer), matched(outcome.answer, answer));
  const state = about('state');
  if (state) compare('left another state than expected', named(outcome.state, state), matched(outcome.state, state));
}

function compareAs(what: string, actual: unknown, expected: unknown, caller: Called): void {
  try {
    deepStrictEqual(actual, expected);
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error;
    const [, ...difference] = error.message.split('\n');
    throw new ExpectationFailed(`${what}:\n${difference.join('\n')}`, caller);
  }
}

const listed = (events: readonly unknown[]): string =>
  events.length === 0 ? 'nothing' : events.map((event) => inspect(event, { breakLength: Number.POSITIVE_INFINITY })).join(', ');

/** Of a value the parts that another one names. */
function named(actual: unknown, naming: unknown): unknown {
  if (isMatcher(naming) || !isComposite(actual) || !isComposite(naming)) return actual;
  if (Array.isArray(actual)) return Array.isArray(naming) ? actual.map((item, index) => named(item, naming[index])) : actual;
  return Object.fromEntries(
    Object.entries(naming).flatMap(([key, part]) => {
      const value = Reflect.get(actual, key);
      return value === undefined && part !== undefined ? [] : [[key, named(value, part)]];
    }),
  );
}

/** The expected value, with the actual one in the place of each matcher that matches. */
function matched(actual: unknown, expected: unknown): unknown {
  if (isMatcher(expected)) return expected.asymmetricMatch(actual) ? actual : expected;
  if (!isComposite(expected)) return expected;
  const part = (key: string | number): unknown => (isComposite(actual) ? Reflect.get(actual, key) : undefined);
  if (Array.isArray(expected)) return expected.map((item, index) => matched(part(index), item));
  return Object.fromEntries(Object.entries(expected).map(([key, item]) => [key, matched(part(key), item)]));
}

/** Whether a value is compared part by part: an array, or an object that is no value of its own such as a date. */
function isComposite(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  return !(types.isDate(value) || types.isMap(value) || types.isSet(value) || ArrayBuffer.isView(value));
}
