import { types } from 'node:util';
import type { Result } from 'neverthrow';
import { DomainError } from '../kernel/bus/errors.ts';
import { check } from './check.ts';
import { deepCopy } from './deep-copy.ts';
import type { Expectation } from './expectation.ts';
import { type Outcome, refusalBy } from './outcome.ts';

/** An aggregate: it keeps what it recorded since it was loaded. */
export interface Recording<Event extends object = object> {
  readonly recordedEvents: readonly Event[];
}

/** The events of an aggregate, or of one that is answered. */
type EventOf<T> =
  T extends Recording<infer Event>
    ? Event
    : T extends Result<infer Value, unknown>
      ? Value extends Recording<infer Event>
        ? Event
        : never
      : never;

/**
 * Begins a test of an aggregate: what is given, what is done, what comes of it. It needs no database and no test runner of its own; what
 * is not as expected throws ExpectationFailed.
 *
 * What is given is the state, or the function that makes the state of events and these events, or nothing for an aggregate that is yet
 * to be made.
 *
 * ```ts
 * given(ada).when((user) => user.changeName('Grace', { at })).then({ type: 'UserNameChanged', name: 'Grace' });
 * given(userOf, created, deleted).when((user) => user.changeName('Grace', { at })).then(refused('USER_DELETED'));
 * given().when(() => User.create({ … })).then({ type: 'UserCreated', … });
 * ```
 */
export function given(): Given<undefined>;
export function given<State extends Recording>(state: State): Given<State>;
export function given<State extends Recording, Event extends object>(
  stateOf: (events: readonly Event[]) => State,
  ...events: readonly Event[]
): Given<State>;
export function given(...parts: readonly unknown[]): unknown {
  const [first, ...events] = parts;
  return new Given(typeof first === 'function' ? first(events) : first);
}

/** What is given; `when` says what is done. */
class Given<State> {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  /** What is done with the aggregate. It answers what the method answers: a Result, a new aggregate, or nothing. */
  when<Answer>(act: (state: State) => Answer): When<State, EventOf<State> | EventOf<Answer>> {
    return new When(this.#state, act);
  }
}

/** What is done; `then` does it and says what comes of it. */
class When<State, Event> {
  readonly #state: State;
  readonly #act: (state: State) => unknown;

  constructor(state: State, act: (state: State) => unknown) {
    this.#state = state;
    this.#act = act;
  }

  /** All events that are recorded, in order, or the refusal; nothing else is recorded. Throws ExpectationFailed when it is otherwise. */
  // biome-ignore lint/suspicious/noThenProperty: given, when, then.
  then(...expected: readonly (Event | Expectation)[]): void {
    // Awaited by mistake: there is nothing to wait for, and nobody should wait for ever.
    const [resolve] = expected;
    if (typeof resolve === 'function') resolve(this.outcome());
    else check(this.outcome(), expected as readonly object[], { caller: this.then });
  }

  /** What comes of it, to be looked at by the test itself. */
  outcome(): Outcome<Event> {
    // A copy: what is given can be given again.
    const state = deepCopy(this.#state);
    const before = isRecording(state) ? state.recordedEvents.length : 0;
    const { answer, error } = attempted(() => this.#act(state));
    const aggregate = isRecording(answer) ? answer : state;
    const recorded = isRecording(aggregate) ? aggregate.recordedEvents : [];
    return {
      events: (aggregate === state ? recorded.slice(before) : recorded) as readonly Event[],
      answer,
      refusal: error && refusalBy(error),
      state: isRecording(aggregate) ? aggregate : undefined,
    };
  }
}

function attempted(act: () => unknown): { answer: unknown; error: DomainError | undefined } {
  try {
    const answer = act();
    if (types.isPromise(answer)) throw new TypeError('an aggregate decides at once: it does not answer a promise');
    if (!isResult(answer)) return { answer, error: undefined };
    if (answer.isOk()) return { answer: answer.value, error: undefined };
    if (!(answer.error instanceof DomainError)) throw answer.error;
    return { answer: undefined, error: answer.error };
  } catch (error) {
    if (error instanceof DomainError) return { answer: undefined, error };
    throw error;
  }
}

const isRecording = (value: unknown): value is Recording =>
  typeof value === 'object' && value !== null && 'recordedEvents' in value && Array.isArray(value.recordedEvents);

const isResult = (value: unknown): value is Result<unknown, unknown> =>
  typeof value === 'object' && value !== null && 'isErr' in value && 'isOk' in value;
