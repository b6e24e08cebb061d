import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { ok } from 'neverthrow';
import { QueryService } from '#gen/operations/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { toDatabase } from '../read-model/databases.ts';
import { toInstance } from '../read-model/instances.ts';
import { toLog } from '../read-model/log.ts';
import { problemsOf } from '../read-model/problems.ts';
import { toProcessor } from '../read-model/processors.ts';
import { toRebuild } from '../read-model/rebuilds.ts';
import { toSequencer } from '../read-model/sequencer.ts';
import { stateOf } from '../read-model/state.ts';
import { toTimers } from '../read-model/timers.ts';
import type { OperationsQueryContext } from './context.ts';

/** Answers the state of all parts, with what is wrong first. */
export const getStatus = query(
  QueryService.method.getStatus,
  async (_, { read, databases, heldUpBy }: OperationsQueryContext) => {
    const state = await stateOf(read, { databases: databases(), heldUpBy: heldUpBy() });
    return ok({
      problems: problemsOf(state).map(({ subject, description }) => ({ subject, description })),
      readAt: timestampFromDate(state.sequencer.read_at),
      instances: state.instances.map(toInstance),
      databases: state.databases.map(toDatabase),
      sequencer: toSequencer(state.sequencer, state.waiting),
      processors: state.processors.map(toProcessor),
      rebuilds: state.rebuilds.map(toRebuild),
      log: toLog(state.log, state.heldUpBy),
      timers: toTimers(state.timers),
    });
  },
);
