import type { Application } from '../kernel/service.ts';

/** What the command line of a service needs to know. */
export interface ServiceProgram {
  /** How the program is called: as its application. */
  readonly name: string;
  /** One line, for `--help`. */
  readonly description?: string;
  /** The file with the application, which only those subcommands load that run it. */
  readonly load: () => Promise<{ readonly application: Application }>;
}

/** The tokens that the command line issues would not be those of the service. */
class NamesDiffer extends Error {
  constructor(program: string, application: string) {
    super(`The program is called ${program} and its application ${application}: give both one name.`);
    this.name = 'NamesDiffer';
  }
}

/** Throws NamesDiffer. */
export async function applicationOf({ name, load }: ServiceProgram): Promise<Application> {
  const { application } = await load();
  if (application.name !== name) throw new NamesDiffer(name, application.name);
  return application;
}
