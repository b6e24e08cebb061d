import { type QueryContext, query } from 'bicameral';
import { ok } from 'neverthrow';
import { QueryService } from '#gen/greetings/v1/query_service_pb.js';

/** Greets whoever is named. */
export const greet = query(QueryService.method.greet, async (request, _: QueryContext) =>
  ok({ greeting: `Hello, ${request.name}` }),
);
