import { create, type JsonObject, toJson } from '@bufbuild/protobuf';
import type { AggregateType } from 'bicameral';
import { JamJarSchema } from '#gen/farm_shop/v1/jam_jar_pb.js';
import { toJamJar } from '../commands/to-jam-jar.ts';
import type { JamJar } from '../domain/jam-jar.ts';
import { toMessage } from './jam-jar-event-messages.ts';
import { JamJarMapping } from './jam-jar-mapping.ts';
import { jamJarOverview } from './jam-jar-overview.ts';
import { jamJarList } from './jam-jar-projections.ts';

/** How the unit of work keeps jam jars. */
export const JamJarType: AggregateType<JamJar> = {
  name: 'farm_shop.v1.JamJar',
  mapping: JamJarMapping,
  id: (jamJar) => jamJar.id,
  version: (jamJar) => jamJar.version,
  events: (jamJar) => jamJar.recordedEvents.map(toMessage),
  erasesPersonalData: () => false,
  snapshot: (jamJar) => toJson(JamJarSchema, create(JamJarSchema, toJamJar(jamJar))) as JsonObject,
  projections: [jamJarList, jamJarOverview],
  violation: () => undefined,
};
