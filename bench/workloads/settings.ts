import { compare } from '../compare.ts';
import type { Subject } from '../subjects/subject.ts';
import type { Workload } from '../workload.ts';
import { loadOfChangeName } from './change-name.ts';
import { loadOfGetUser } from './get-user.ts';

const AS_SHIPPED = 'as shipped';
/** What differs from the settings as shipped, but for QUERY_CACHE_MB, which is 0 in all others. */
const SETTINGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [AS_SHIPPED]: { LIMIT_DATABASE_CONNECTIONS: '10' },
  '1 connection': { LIMIT_DATABASE_CONNECTIONS: '1' },
  '3 connections': { LIMIT_DATABASE_CONNECTIONS: '3' },
  '20 connections': { LIMIT_DATABASE_CONNECTIONS: '20' },
  'no replica': { DATABASE_REPLICA_URLS: '' },
  'WORKERS=2': { WORKERS: '2' },
  'QUERY_CACHE_MB=32': { QUERY_CACHE_MB: '32' },
  'RATE_LIMIT_STORE=postgres': { RATE_LIMIT_STORE: 'postgres' },
  'LOG_LEVEL=warn': { LOG_LEVEL: 'warn' },
  'METRICS_ADDRESS=off': { METRICS_ADDRESS: 'off' },
};

export const settings: Workload = {
  name: 'settings',
  about: 'GetUser over gRPC and ChangeName, beside the same with one setting changed',
  run: (bench) => {
    const calls = Object.entries({ GetUser: loadOfGetUser, ChangeName: loadOfChangeName });
    return compare(bench, {
      contenders: Object.entries(SETTINGS).flatMap(([setting, environment]) =>
        calls.map(([call, load]) => ({
          name: `${call}, ${setting}`,
          subject: 'ours',
          environment,
          question: call,
          load: (subject: Subject) => load(bench, subject),
        })),
      ),
      goals: calls.flatMap(([call]) =>
        Object.keys(SETTINGS)
          .filter((setting) => setting !== AS_SHIPPED)
          .map((setting) => ({ of: `${call}, ${setting}`, to: `${call}, ${AS_SHIPPED}` })),
      ),
    });
  },
};
