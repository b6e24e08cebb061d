/**
 * The environment cannot be used. The message names every bad variable at once, and what it should be.
 *
 * ```ts
 * if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
 * ```
 */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(`The configuration cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}
