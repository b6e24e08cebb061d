import { query } from 'bicameral';
import { err, ok } from 'neverthrow';
import { QueryService } from '#gen/farm_shop/v1/query_service_pb.js';
import { JamJarNotFound } from '../jam-jar-not-found.ts';
import { JAM_JAR_COLUMNS, statements, toJamJar } from '../read-model/jam-jar-list.ts';
import type { FarmShopQueryContext } from './context.ts';

const byId = statements.selectFrom('read.jam_jar_list').select(JAM_JAR_COLUMNS).where('id', '=', '').compile();

/** Returns one jam jar. */
export const getJamJar = query(QueryService.method.getJamJar, async (request, { read }: FarmShopQueryContext) => {
  const row = await read.row(byId, [request.jamJarId]);
  return row ? ok({ jamJar: toJamJar(row) }) : err(new JamJarNotFound(request.jamJarId));
});
