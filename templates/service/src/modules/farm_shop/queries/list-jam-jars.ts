import { query } from 'bicameral';
import { sql } from 'kysely';
import { ok } from 'neverthrow';
import { QueryService } from '#gen/farm_shop/v1/query_service_pb.js';
import { JAM_JAR_COLUMNS, statements, toJamJar } from '../read-model/jam-jar-list.ts';
import type { FarmShopQueryContext } from './context.ts';

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;
const LIST = ['farm_shop.v1.ListJamJars'];

/** The page begins behind this time and id. Ids break ties, so that each row is on exactly one page. */
const pageBehind = (createdAt: string, id: string, limit: number) =>
  statements
    .selectFrom('read.jam_jar_list')
    .select(JAM_JAR_COLUMNS)
    .where(sql<boolean>`(created_at, id) > (${createdAt}::timestamptz, ${id}::uuid)`)
    .orderBy('created_at')
    .orderBy('id')
    .limit(limit)
    .compile();

/** Before every row. */
const BEGINNING = ['-infinity', '00000000-0000-0000-0000-000000000000'] as const;

/** Returns jam jars page by page, the oldest first. */
export const listJamJars = query(QueryService.method.listJamJars, async (request, context: FarmShopQueryContext) => {
  const { read, pageTokens } = context;
  const size = Math.min(request.pageSize || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
  const [createdAt, id] = request.pageToken ? (pageTokens.open(LIST, request.pageToken) as [string, string]) : BEGINNING;

  // The query reads one row more than the page has. That row tells whether there is another page.
  const rows = await read.rows(pageBehind(createdAt, id, size + 1));
  const page = rows.slice(0, size);
  const last = page.at(-1);
  return ok({
    jamJars: page.map(toJamJar),
    nextPageToken: last && rows.length > size ? pageTokens.seal(LIST, [last.created_at.toISOString(), last.id]) : '',
  });
});
