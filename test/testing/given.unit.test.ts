import { describe, expect, it } from '@jest/globals';
import { err, ok, type Result } from 'neverthrow';
import { Reason, ReasonSchema } from '#gen/users/v1/reasons_pb.js';
import { domainError } from '../../src/kernel/bus/errors.ts';
import { anything, ExpectationFailed, given, nothing, refused, state } from '../../src/testing/index.ts';

type LampEvent = { type: 'LampMade'; colour: string } | { type: 'LampLit'; at: Date };

class LampBroken extends domainError(ReasonSchema, Reason.USER_SUSPENDED) {
  override readonly metadata = { since: 'yesterday' };
}

/** The smallest aggregate that has rules. */
class Lamp {
  recordedEvents: readonly LampEvent[] = [];
  isLit = false;
  isBroken = false;

  static make(colour: string): Lamp {
    const lamp = new Lamp();
    lamp.recordedEvents = [{ type: 'LampMade', colour }];
    return lamp;
  }

  light(at: Date): Result<void, LampBroken> {
    if (this.isBroken) return err(new LampBroken());
    if (!this.isLit) this.recordedEvents = [...this.recordedEvents, { type: 'LampLit', at }];
    this.isLit = true;
    return ok();
  }
}

const at = new Date(0);
const lamp = Lamp.make('red');
const lit = Object.assign(new Lamp(), { isLit: true });
const broken = Object.assign(new Lamp(), { isBroken: true });
const lampOf = (events: readonly LampEvent[]): Lamp =>
  Object.assign(new Lamp(), { isLit: events.some(({ type }) => type === 'LampLit') });

/** What the test of somebody says when it fails. */
const failureOf = (test: () => unknown): string => {
  try {
    test();
  } catch (error) {
    expect(error).toBeInstanceOf(ExpectationFailed);
    return (error as Error).message;
  }
  throw new Error('the test did not fail');
};

describe('given, when, then of an aggregate', () => {
  it('begins with a state and tells what is recorded from then on', () =>
    given(lamp)
      .when((it) => it.light(at))
      .then({ type: 'LampLit', at }));

  it('begins with events, by the function that makes the state of them', () =>
    given(lampOf, { type: 'LampLit', at })
      .when((it) => it.light(at))
      .then(nothing));

  it('begins with nothing, for one that is yet to be made', () =>
    given()
      .when(() => Lamp.make('blue'))
      .then({ type: 'LampMade', colour: 'blue' }, state({ isLit: false })));

  it('takes what a method answers in a Result for what is made', () =>
    given()
      .when((): Result<Lamp, LampBroken> => ok(Lamp.make('blue')))
      .then({ type: 'LampMade', colour: 'blue' }));

  it('leaves what is given as it was', () => {
    given(lamp)
      .when((it) => it.light(at))
      .then({ type: 'LampLit', at }, state({ isLit: true }));
    expect(lamp).toMatchObject({ isLit: false, recordedEvents: [{ type: 'LampMade' }] });
  });

  it('tells refusals by their reason, and by as much more as the test says', () => {
    given(broken)
      .when((it) => it.light(at))
      .then(refused('USER_SUSPENDED'));
    given(broken)
      .when((it) => it.light(at))
      .then(refused('USER_SUSPENDED', { metadata: { since: 'yesterday' } }));
  });

  it('takes a planned error that is thrown for a refusal, and passes on any other', () => {
    given(lamp)
      .when(() => {
        throw new LampBroken();
      })
      .then(refused('USER_SUSPENDED'));
    const defect = new TypeError('no such lamp');
    expect(() =>
      given(lamp)
        .when(() => {
          throw defect;
        })
        .then(nothing),
    ).toThrow(defect);
  });

  it('takes anything in the place of a value, and the matchers of jest', () => {
    given(lamp)
      .when((it) => it.light(at))
      .then({ type: 'LampLit', at: anything });
    given(lamp)
      .when((it) => it.light(at))
      .then({ type: 'LampLit', at: expect.any(Date) as unknown as Date });
  });

  it('hands out what came, for what it has no words for', () => {
    const { events, state: left } = given(lamp)
      .when((it) => it.light(at))
      .outcome();
    expect(events).toEqual([{ type: 'LampLit', at }]);
    expect(left).toBeInstanceOf(Lamp);
  });

  it('is no promise that somebody could wait for in vain', async () => {
    const outcome: unknown = await (given(lamp).when((it) => it.light(at)) as unknown);
    expect(outcome).toMatchObject({ events: [{ type: 'LampLit' }] });
  });
});

describe('a test of an aggregate fails', () => {
  it('with the difference, when it records something else', () => {
    const message = failureOf(() =>
      given(lamp)
        .when((it) => it.light(at))
        .then({ type: 'LampLit', at: new Date(1) }),
    );
    expect(message).toMatch(/^recorded other events than expected:/);
    expect(message).toContain('1970-01-01T00:00:00.000Z');
    expect(message).toContain('1970-01-01T00:00:00.001Z');
  });

  it.each<[string, () => unknown, string]>([
    [
      'records nothing',
      () =>
        given(lit)
          .when((it) => it.light(at))
          .then({ type: 'LampLit', at }),
      'recorded other events',
    ],
    [
      'records something',
      () =>
        given(lamp)
          .when((it) => it.light(at))
          .then(nothing),
      'recorded other events',
    ],
    [
      'is refused',
      () =>
        given(broken)
          .when((it) => it.light(at))
          .then(nothing),
      'was refused: USER_SUSPENDED',
    ],
    [
      'is not refused',
      () =>
        given(lamp)
          .when((it) => it.light(at))
          .then(refused('USER_SUSPENDED')),
      'succeeded and recorded { type',
    ],
    [
      'is refused for another reason',
      () =>
        given(broken)
          .when((it) => it.light(at))
          .then(refused('USER_DELETED')),
      'USER_DELETED',
    ],
    [
      'leaves another state',
      () =>
        given(lit)
          .when((it) => it.light(at))
          .then(state({ isLit: false })),
      'left another state',
    ],
    [
      'lacks a property',
      () =>
        given(lit)
          .when((it) => it.light(at))
          .then(state({ colour: 'red' })),
      'left another state',
    ],
  ])('when it %s, against expectation', (_, test, message) => expect(failureOf(test)).toContain(message));

  it('when it records and refuses both', () => {
    const test = () =>
      given(lamp)
        .when((it): Result<void, LampBroken> => {
          it.light(at);
          return err(new LampBroken());
        })
        .then(refused('USER_SUSPENDED'));
    expect(failureOf(test)).toContain('was refused, and recorded all the same');
  });

  it('at the line of the test', () => {
    const error = (() => {
      try {
        return given(lit)
          .when((it) => it.light(at))
          .then({ type: 'LampLit', at });
      } catch (caught) {
        return caught;
      }
    })();
    expect((error as Error).stack?.split('\n').find((line) => line.includes(' at '))).toContain('given.unit.test.ts');
  });
});
