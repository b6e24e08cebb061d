import type { JamJar } from './jam-jar.ts';

/** The jam jars as commands see them: bound to the command's transaction. */
export interface JamJars {
  find(id: string): Promise<JamJar | undefined>;
  add(jamJar: JamJar): void;
}
