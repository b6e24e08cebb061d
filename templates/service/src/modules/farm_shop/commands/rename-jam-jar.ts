import { command } from 'bicameral';
import { err } from 'neverthrow';
import { CommandService } from '#gen/farm_shop/v1/command_service_pb.js';
import { JamJarNotFound } from '../jam-jar-not-found.ts';
import type { FarmShopContext } from './context.ts';
import { toJamJar } from './to-jam-jar.ts';

/** Renames a jam jar. */
export const renameJamJar = command(CommandService.method.renameJamJar, async (request, { jamJars, now }: FarmShopContext) => {
  const jamJar = await jamJars.find(request.jamJarId);
  if (!jamJar) return err(new JamJarNotFound(request.jamJarId));

  return jamJar
    .rename(request.name, { at: now, expectedVersion: request.expectedVersion })
    .map(() => ({ jamJar: toJamJar(jamJar) }));
});
