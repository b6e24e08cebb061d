import type { Application } from '../kernel/service.ts';

/** What the command line of a service needs to know. */
export interface ServiceProgram {
  /** How the program is called. */
  readonly name: string;
  /** One line, for `--help`. */
  readonly description?: string;
  /** The file with the application, which only those subcommands load that run it. */
  readonly load: () => Promise<{ readonly application: Application }>;
}
