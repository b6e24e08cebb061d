import { err, ok } from 'neverthrow';
import { QueryService } from '#gen/audit/v1/query_service_pb.js';
import { query } from '../../../kernel/bus/query.ts';
import { CommandNotFound } from '../command-not-found.ts';
import { recordedCommand } from '../read-model/recorded-command.ts';
import type { AuditQueryContext } from './context.ts';

/** Answers one record, with the events that the command stored. */
export const getCommand = query(
  QueryService.method.getCommand,
  async ({ commandId }, { read, eventTypes }: AuditQueryContext) => {
    const recorded = await recordedCommand(read, commandId, eventTypes);
    return recorded ? ok(recorded) : err(new CommandNotFound(commandId));
  },
);
