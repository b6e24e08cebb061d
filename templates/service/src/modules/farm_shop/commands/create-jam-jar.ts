import { command } from 'bicameral';
import { ok } from 'neverthrow';
import { CommandService } from '#gen/farm_shop/v1/command_service_pb.js';
import { JamJar } from '../domain/jam-jar.ts';
import type { FarmShopContext } from './context.ts';
import { toJamJar } from './to-jam-jar.ts';

/** Creates a jam jar. */
export const createJamJar = command(
  CommandService.method.createJamJar,
  async (request, { jamJars, newId, now }: FarmShopContext) => {
    const jamJar = JamJar.create({ id: newId(), name: request.name, at: now });
    jamJars.add(jamJar);
    return ok({ jamJar: toJamJar(jamJar) });
  },
);
