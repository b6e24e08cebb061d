import type { CommandContext } from 'bicameral';
import type { JamJars } from '../domain/jam-jars.ts';

/** What the commands of this module are given. */
export interface FarmShopContext extends CommandContext {
  readonly jamJars: JamJars;
}
