import type { DescMethodUnary, MessageInitShape } from '@bufbuild/protobuf';
import type { AggregateType } from '../kernel/database/write/aggregate-type.ts';
import type { Caller } from './caller.ts';
import { check, ExpectationFailed, type ExpectedForm } from './check.ts';
import type { Expectation } from './expectation.ts';
import type { Outcome, PlainEvent, StoredAggregate } from './outcome.ts';
import { TEST_TIME } from './test-ids.ts';

/** An rpc, or the handler of one, which names it. */
export type Rpc<M extends DescMethodUnary = DescMethodUnary> = M | { readonly method: M };

/** A command or a query that is sent. */
export interface Sent<M extends DescMethodUnary = DescMethodUnary> {
  readonly rpc: Rpc<M>;
  readonly request: MessageInitShape<M['input']>;
  readonly caller: Caller | undefined;
  readonly at: Date;
}

/** Where scenarios play: in memory, or a service with its database. */
export interface Stage {
  /** Makes that what is given is there. */
  readonly prepare: (given: readonly object[]) => Promise<void>;
  readonly send: (sent: Sent) => Promise<Outcome>;
  readonly stored: <A extends object>(type: AggregateType<A>, id: string) => Promise<StoredAggregate<A> | undefined>;
  readonly form: ExpectedForm;
}

/** A command that was done before, for `given`: see `done`. */
export class Done {
  readonly sent: Sent;

  constructor(sent: Sent) {
    this.sent = sent;
  }
}

/**
 * A command that was done before what is tested. It has to succeed. Without `as` an operator sends it.
 *
 * ```ts
 * await given(done(createUser, { email, name, password })).when(logIn, { email, password }).then(…);
 * ```
 */
export function done<M extends DescMethodUnary>(
  rpc: Rpc<M>,
  request: MessageInitShape<M['input']>,
  { as, at = TEST_TIME }: { as?: Caller; at?: Date } = {},
): Done {
  return new Done({ rpc, request, caller: as, at } as unknown as Sent);
}

/** What is given; `when` says what is sent, `as` by whom and `at` when. */
export class Scenario {
  readonly #stage: Stage;
  readonly #given: readonly object[];
  readonly #caller: Caller | undefined;
  readonly #at: Date;

  constructor(
    stage: Stage,
    given: readonly object[],
    { caller, at = TEST_TIME }: { caller?: Caller | undefined; at?: Date } = {},
  ) {
    this.#stage = stage;
    this.#given = given;
    this.#caller = caller;
    this.#at = at;
  }

  /** Who sends the command. Without it an operator does, who has every permission and owns nothing. */
  as(caller: Caller): Scenario {
    return new Scenario(this.#stage, this.#given, { caller, at: this.#at });
  }

  /** When the command is sent; else at TEST_TIME. */
  at(time: Date): Scenario {
    return new Scenario(this.#stage, this.#given, { caller: this.#caller, at: time });
  }

  /** What is sent: the handler of a command, or its rpc, with the request. */
  when<M extends DescMethodUnary>(rpc: Rpc<M>, request: MessageInitShape<M['input']>): SentScenario {
    const sent = { rpc, request, caller: this.#caller, at: this.#at } as unknown as Sent;
    return new SentScenario(this.#stage, this.#given, sent);
  }

  /** What is stored of an aggregate now, with its history; undefined when there is none. */
  async stored<A extends object>(type: AggregateType<A>, id: string): Promise<StoredAggregate<A> | undefined> {
    await this.#stage.prepare(this.#given);
    return this.#stage.stored(type, id);
  }
}

/** What is sent; `then` sends it and says what comes of it. */
export class SentScenario {
  readonly #stage: Stage;
  readonly #given: readonly object[];
  readonly #sent: Sent;

  constructor(stage: Stage, given: readonly object[], sent: Sent) {
    this.#stage = stage;
    this.#given = given;
    this.#sent = sent;
  }

  /**
   * All events that are recorded, in order, what is answered, or the refusal. Resolves with what came; rejects with ExpectationFailed when
   * it is otherwise, so it has to be awaited.
   */
  // biome-ignore lint/suspicious/noThenProperty: given, when, then.
  then(...expected: readonly (PlainEvent | Expectation)[]): Promise<Outcome> {
    const [resolve, reject] = expected as readonly unknown[];
    // Awaited without `then`: what a promise would do.
    if (typeof resolve === 'function') return this.outcome().then(resolve as never, reject as never);
    // Taken here, while the line of the test is on the stack.
    const place = new Error();
    Error.captureStackTrace(place, this.then);
    return this.outcome().then((outcome) => {
      try {
        check(outcome, expected, { form: this.#stage.form, caller: this.then });
      } catch (error) {
        if (error instanceof ExpectationFailed)
          error.stack = `${error.name}: ${error.message}\n${(place.stack ?? '').split('\n').slice(1).join('\n')}`;
        throw error;
      }
      return outcome;
    });
  }

  /** What comes of it, to be looked at by the test itself. */
  async outcome(): Promise<Outcome> {
    await this.#stage.prepare(this.#given);
    return this.#stage.send(this.#sent);
  }
}
