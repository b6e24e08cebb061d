import { defineModule } from 'bicameral';
import { file_farm_shop_v1_events } from '#gen/farm_shop/v1/events_pb.js';
import { migrations } from './migrations.ts';
import { jamJarRepository } from './persistence/jam-jar-repository.ts';
import { JamJarType } from './persistence/jam-jar-type.ts';
import { services } from './services.ts';

/** Jam jars: the commands that change them, and the queries about them. */
export const farmShop = defineModule({
  name: 'farm_shop',
  services,
  permissions: { 'farm_shop.read': 'Read every jam jar', 'farm_shop.write': 'Change every jam jar' },
  aggregates: [JamJarType],
  events: [file_farm_shop_v1_events],
  migrations,
  start: ({ keys }) => ({ pageTokens: keys.pageTokens }),
  commandContext: (_, { work }) => ({ jamJars: jamJarRepository(work) }),
  queryContext: (_, { read, parts }) => ({ read, pageTokens: parts.pageTokens }),
});
