import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { JamJarSchema } from '#gen/farm_shop/v1/jam_jar_pb.js';
import type { JamJar } from '../domain/jam-jar.ts';

/** A jam jar as commands return it: as it will be once the command is committed. */
export function toJamJar(jamJar: JamJar): MessageInitShape<typeof JamJarSchema> {
  return {
    id: jamJar.id,
    name: jamJar.name,
    createdAt: timestampFromDate(jamJar.createdAt),
    updatedAt: timestampFromDate(jamJar.updatedAt),
    version: BigInt(jamJar.version),
  };
}
