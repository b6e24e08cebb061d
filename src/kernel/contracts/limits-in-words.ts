import type { DescMethod } from '@bufbuild/protobuf';
import { guessLimitOf, rateLimitOf } from '../bus/limits.ts';

/** The limits of an rpc, as its contract sets them, in words. */
export function limitsInWords(method: DescMethod): readonly string[] {
  const rate = rateLimitOf(method);
  const guess = guessLimitOf(method);
  return [
    ...(rate ? [`at most ${rate.calls.toLocaleString('en')} calls in ${rate.seconds} s of class \`${rate.class}\``] : []),
    ...(guess ? [`wrong guesses are counted by \`${guess.target}\``] : []),
  ];
}
