import { describe, expect, it } from '@jest/globals';
import { busMiddleware, type Middleware, middleware, type Need, type Place } from '../../../src/kernel/bus/middleware.ts';
import { inOrder, type NamedPipeline, PipelineError } from '../../../src/kernel/bus/order.ts';

const kernel = (name: string, ...needs: Need[]): Middleware => busMiddleware(name, () => (next) => next, needs);
const own = (name: string, place: Place, needs: Need[] = []): Middleware =>
  middleware(name, () => (next) => next, { ...place, needs });

const commands: NamedPipeline = {
  name: 'commands',
  kind: 'command',
  list: ['errors', 'audit', 'authentication'].map((name) => kernel(name)),
};
const queries: NamedPipeline = { name: 'queries', kind: 'query', list: ['errors', 'authentication'].map((name) => kernel(name)) };

function names(...middleware: Middleware[]): string[] {
  return inOrder([commands, queries], middleware).map(({ list }) => list.map(({ name }) => name).join(' > '));
}

function problemOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof PipelineError) return error.message;
  }
  throw new Error('nothing was wrong');
}

describe("an application's own middleware", () => {
  it('stands directly inside or outside of the one that it names, in every pipeline that has that', () => {
    expect(names(own('a', { after: 'errors' }))).toEqual(['errors > a > audit > authentication', 'errors > a > authentication']);
    expect(names(own('a', { before: 'audit' }))).toEqual(['errors > a > audit > authentication', 'errors > authentication']);
  });

  it('stands in the order of its list beside others of the application', () => {
    const inside = names(own('a', { after: 'authentication' }), own('b', { after: 'authentication' }), own('c', { after: 'a' }));
    expect(inside[1]).toBe('errors > authentication > a > c > b');
    const outside = names(own('a', { before: 'authentication' }), own('b', { before: 'authentication' }));
    expect(outside[1]).toBe('errors > a > b > authentication');
  });

  it('is refused beside one that does not exist, with the names of those that do', () => {
    expect(problemOf(() => names(own('a', { after: 'authorisation' })))).toBe(
      'The middleware cannot stand in this order:\n' +
        '  - `a` is to stand beside `authorisation`, which does not exist; there are errors, audit, authentication',
    );
  });

  it('is refused under a name that is taken', () => {
    expect(problemOf(() => names(own('audit', { after: 'errors' })))).toContain('two middleware are called `audit`');
  });
});

describe('what a middleware needs', () => {
  const need: Need = { name: 'authentication', because: 'it counts by caller' };

  it('has to stand outside of it', () => {
    expect(names(own('quota', { after: 'authentication' }, [need]))[1]).toBe('errors > authentication > quota');
    expect(problemOf(() => names(own('quota', { before: 'authentication' }, [need])))).toContain(
      'queries: `quota` has to stand inside of `authentication`, because it counts by caller; move it to a place after `authentication`',
    );
  });

  it('has to be there', () => {
    const list = [kernel('errors'), kernel('quota', need)];
    expect(problemOf(() => inOrder([{ ...queries, list }], []))).toContain(
      'because it counts by caller; add `authentication` before it',
    );
  });

  it('can be what its calls have behind them', () => {
    expect(inOrder([{ ...queries, list: [kernel('quota', need)], given: ['authentication'] }], [])).toHaveLength(1);
  });

  it('can be about commands alone', () => {
    const list = [kernel('quota', { ...need, of: 'command' })];
    expect(inOrder([{ ...queries, list }], [])).toHaveLength(1);
    expect(problemOf(() => inOrder([{ ...commands, list }], []))).toContain('add `authentication` before it');
  });
});
