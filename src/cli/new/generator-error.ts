/** A generator does not do what it was asked for; the message says why, and what to do. Nothing was written. */
export class GeneratorError extends Error {
  override readonly name = 'GeneratorError';
}
