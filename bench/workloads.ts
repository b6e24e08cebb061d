import type { Workload } from './workload.ts';
import { cache } from './workloads/cache.ts';
import { capacity } from './workloads/capacity.ts';
import { changeName } from './workloads/change-name.ts';
import { changeNameHot } from './workloads/change-name-hot.ts';
import { changeNameKeyed } from './workloads/change-name-keyed.ts';
import { connectGet } from './workloads/connect-get.ts';
import { connectJson } from './workloads/connect-json.ts';
import { createUser } from './workloads/create-user.ts';
import { getUser } from './workloads/get-user.ts';
import { listUsers } from './workloads/list-users.ts';
import { logInTiming } from './workloads/log-in-timing.ts';
import { memory } from './workloads/memory.ts';
import { middleware } from './workloads/middleware.ts';
import { mix } from './workloads/mix.ts';
import { rebuild } from './workloads/rebuild.ts';
import { seals } from './workloads/seals.ts';
import { search } from './workloads/search.ts';
import { sequencer } from './workloads/sequencer.ts';
import { settings } from './workloads/settings.ts';
import { startUp } from './workloads/start-up.ts';
import { storm, stormOverConnect } from './workloads/storm.ts';
import { subscribers } from './workloads/subscribers.ts';
import { tokens } from './workloads/tokens.ts';
import { tracing } from './workloads/tracing.ts';
import { verify } from './workloads/verify.ts';
import { watchers } from './workloads/watchers.ts';
import { workers } from './workloads/workers.ts';

/** Everything that is measured, in this order. */
export const WORKLOADS: readonly Workload[] = [
  getUser,
  listUsers,
  search,
  changeName,
  changeNameHot,
  changeNameKeyed,
  createUser,
  logInTiming,
  mix,
  storm,
  stormOverConnect,
  connectJson,
  connectGet,
  cache,
  middleware,
  tokens,
  tracing,
  sequencer,
  rebuild,
  seals,
  verify,
  subscribers,
  watchers,
  workers,
  startUp,
  memory,
  capacity,
  settings,
];
