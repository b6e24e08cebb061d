import { type DescMethod, getOption, hasOption, ScalarType } from '@bufbuild/protobuf';
import { type GuessLimit, guess_limit, type RateLimit, rate_limit } from '#gen/cqrs/v1/limits_pb.js';
import { methodName } from './convention.ts';

/** How often one caller may call the rpc, from its contract; undefined is as often as they like. */
export function rateLimitOf(method: DescMethod): RateLimit | undefined {
  return hasOption(method, rate_limit) ? getOption(method, rate_limit) : undefined;
}

/** What is guessed at by calls of the rpc, from its contract; undefined for an rpc that tells nothing worth guessing. */
export function guessLimitOf(method: DescMethod): GuessLimit | undefined {
  return hasOption(method, guess_limit) ? getOption(method, guess_limit) : undefined;
}

/** What is wrong with the limits of one rpc, in words for whoever writes contracts. */
export function limitProblems(method: DescMethod): string[] {
  const name = methodName(method);
  const problems: string[] = [];
  const rate = rateLimitOf(method);
  if (rate && (rate.class === '' || rate.calls === 0 || rate.seconds === 0)) {
    problems.push(`${name}: the rate limit needs a class, calls and seconds`);
  }
  const guess = guessLimitOf(method);
  if (!guess) return problems;
  const target = method.input.fields.find((field) => field.name === guess.target);
  if (target?.fieldKind !== 'scalar' || target.scalar !== ScalarType.STRING) {
    problems.push(`${name}: the guess limit names \`${guess.target}\`, which is no string field of ${method.input.typeName}`);
  }
  if (guess.reasons.length === 0) problems.push(`${name}: the guess limit names no reason that means a wrong guess`);
  return problems;
}

/** Methods of one class are counted together, so they have to agree on how many calls that are. */
export function rateClassProblems(methods: readonly DescMethod[]): string[] {
  const first = new Map<string, { readonly method: DescMethod; readonly rate: RateLimit }>();
  return methods.flatMap((method) => {
    const rate = rateLimitOf(method);
    if (!rate) return [];
    const known = first.get(rate.class);
    if (!known) first.set(rate.class, { method, rate });
    if (!known || (known.rate.calls === rate.calls && known.rate.seconds === rate.seconds)) return [];
    return [`${methodName(method)}: the rate limit of class ${rate.class} differs from that of ${methodName(known.method)}`];
  });
}
