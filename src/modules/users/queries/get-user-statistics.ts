import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ok } from 'neverthrow';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { userStatistics } from '../projections/user-statistics.ts';
import { statisticsOfDays } from '../read-model/user-statistics.ts';
import type { UsersQueryContext } from './context.ts';

const DEFAULT_DAYS = 30;
const MOST_DAYS = 1000;

/** Returns how many users there are of each status, and what happened day by day. */
export const getUserStatistics = query(
  QueryService.method.getUserStatistics,
  async ({ days }, { read }: UsersQueryContext) => {
    const [row] = await read.rows(statisticsOfDays, [Math.min(days || DEFAULT_DAYS, MOST_DAYS)]);
    const usersOf = (status: string): bigint => BigInt(row?.users[status] ?? 0);
    return ok({
      activeUsers: usersOf('active'),
      suspendedUsers: usersOf('suspended'),
      deletedUsers: usersOf('deleted'),
      days: (row?.days ?? []).map(({ day, sign_ups, log_ins }) => ({ day, signUps: BigInt(sign_ups), logIns: BigInt(log_ins) })),
      asOfSequence: BigInt(row?.sequence ?? 0),
      ...(row?.occurred_at && { asOf: timestampFromDate(row.occurred_at) }),
    });
  },
  { projections: [userStatistics] },
);
