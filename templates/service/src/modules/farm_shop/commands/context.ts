import type { CommandContext } from 'bicameral';
import type { JamJars } from '../domain/jam-jars.ts';

/** The context that the commands of this module get. */
export interface FarmShopContext extends CommandContext {
  readonly jamJars: JamJars;
}
