import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/audit/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { CommandNotFound } from '../command-not-found.ts';
import { CommandNotReplayable } from './command-not-replayable.ts';
import type { AuditCommandContext } from './context.ts';

/** Runs a recorded command again against the state of now, rolls it back, and tells what differs from the record. */
export const replayCommand = command(
  CommandService.method.replayCommand,
  async ({ commandId }, { recorded, rerun }: AuditCommandContext) => {
    const record = await recorded(commandId);
    if (!record) return err(new CommandNotFound(commandId));
    const report = await rerun(record);
    return 'obstacle' in report ? err(new CommandNotReplayable(report.obstacle)) : ok(report);
  },
);
