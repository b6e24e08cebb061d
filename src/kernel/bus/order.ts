import type { Middleware } from './middleware.ts';

/** A pipeline in which a middleware stands where it cannot work; the message lists everything that is wrong, and what to do. */
export class PipelineError extends Error {
  constructor(problems: readonly string[]) {
    super(`The middleware cannot stand in this order:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'PipelineError';
  }
}

/** A list of middleware by its name in messages, such as `commands`. */
export interface NamedPipeline {
  readonly name: string;
  readonly kind: 'command' | 'query';
  readonly list: readonly Middleware[];
  /** What calls of this pipeline have behind them already: the `needs` that name these are kept. */
  readonly given?: readonly string[];
}

/**
 * Puts an application's own middleware where they are to stand. One whose neighbour is in some of the pipelines only stands in these.
 * Throws PipelineError when the neighbour is nowhere, when a name is taken, and when a middleware stands outside of one that it needs.
 */
export function inOrder<P extends NamedPipeline>(pipelines: readonly P[], own: readonly Middleware[]): readonly P[] {
  const placed = pipelines.map((pipeline) => ({ ...pipeline, list: own.reduce(insert, pipeline.list) }));
  const problems = [...placementProblems(placed, own), ...placed.flatMap(orderProblems)];
  if (problems.length > 0) throw new PipelineError(problems);
  return placed;
}

function insert(list: readonly Middleware[], one: Middleware): readonly Middleware[] {
  const { place } = one;
  if (!place) return list;
  if ('before' in place) {
    const index = list.findIndex(({ name }) => name === place.before);
    return index === -1 ? list : list.toSpliced(index, 0, one);
  }
  let index = list.findIndex(({ name }) => name === place.after);
  if (index === -1) return list;
  // Of several that stand inside of the same one, the first that is listed stands outermost.
  do index += 1;
  while (isAfter(list[index], place.after));
  return list.toSpliced(index, 0, one);
}

const isAfter = (one: Middleware | undefined, name: string): boolean =>
  one?.place !== undefined && 'after' in one.place && one.place.after === name;

function placementProblems(placed: readonly NamedPipeline[], own: readonly Middleware[]): string[] {
  const known = [...new Set(placed.flatMap(({ list }) => list.map(({ name }) => name)))];
  return own.flatMap((one) => {
    if (placed.some(({ list }) => list.filter(({ name }) => name === one.name).length > 1)) {
      return [`two middleware are called \`${one.name}\`: give the second another name`];
    }
    if (placed.some(({ list }) => list.includes(one))) return [];
    const neighbour = one.place && ('after' in one.place ? one.place.after : one.place.before);
    return [`\`${one.name}\` is to stand beside \`${neighbour}\`, which does not exist; there are ${known.join(', ')}`];
  });
}

function orderProblems({ name: pipeline, kind, list, given = [] }: NamedPipeline): string[] {
  const names = list.map(({ name }) => name);
  return list.flatMap(({ name, needs }, index) =>
    needs.flatMap((need) => {
      if ((need.of && need.of !== kind) || given.includes(need.name)) return [];
      const position = names.indexOf(need.name);
      if (position !== -1 && position < index) return [];
      const remedy = position === -1 ? `add \`${need.name}\` before it` : `move it to a place after \`${need.name}\``;
      return [`${pipeline}: \`${name}\` has to stand inside of \`${need.name}\`, because ${need.because}; ${remedy}`];
    }),
  );
}
