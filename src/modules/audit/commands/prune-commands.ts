import { timestampDate } from '@bufbuild/protobuf/wkt';
import { err, ok } from 'neverthrow';
import { CommandService } from '#gen/audit/v1/command_service_pb.js';
import { command } from '../../../kernel/bus/command.ts';
import { InvalidRequest } from '../../../kernel/bus/errors.ts';
import type { AuditCommandContext } from './context.ts';
import { RangeNotSealed } from './range-not-sealed.ts';

/** Removes the records of whole months from the log, for good. */
export const pruneCommands = command(
  CommandService.method.pruneCommands,
  async ({ before }, { pruneLog }: AuditCommandContext) => {
    if (!before) return err(new InvalidRequest([{ field: 'before', description: 'value is required', rule: 'required' }]));
    const pruned = await pruneLog(timestampDate(before));
    if ('notSealed' in pruned) return err(new RangeNotSealed(pruned.notSealed));

    return ok({ months: [...pruned.months], records: BigInt(pruned.records) });
  },
);
