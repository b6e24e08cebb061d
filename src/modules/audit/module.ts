import { create, type Registry } from '@bufbuild/protobuf';
import { CommandRecordSchema, RecordedEventSchema } from '#gen/audit/v1/command_record_pb.js';
import { principalOf } from '../../kernel/bus/context-keys.ts';
import { defineModule, type Module } from '../../kernel/bus/module.ts';
import type { PageTokens } from '../../kernel/bus/page-token.ts';
import type { NotSealed, Pruned, Query } from '../../kernel/command-log/seals/prune.ts';
import type { Verify } from '../../kernel/command-log/seals/verify/verifications.ts';
import type { ReadPool } from '../../kernel/database/read/read-side.ts';
import { Reader, readerKey } from '../../kernel/database/read/reader.ts';
import { unitOfWorkKey } from '../../kernel/database/write/unit-of-work.ts';
import type { AuditCommandContext } from './commands/context.ts';
import type { AuditQueryContext } from './queries/context.ts';
import { LogFeeds } from './queries/log-feed.ts';
import { recordedCommand } from './read-model/recorded-command.ts';
import type { Recorded } from './replay/recorded.ts';
import { type ReplayParts, replayRecorded } from './replay/replay-recorded.ts';
import { services } from './services.ts';

/** How often the end of the log is looked at while somebody follows it, in milliseconds. */
const POLL = 250;

/** The log of commands: who did what, when, and how it ended, and the proof that nobody changed it. */
export function auditModule(parts: {
  pageTokens: PageTokens;
  /** The types of all events that modules store. */
  eventTypes: Registry;
  verify: Verify;
  /** Removes months of the log in the transaction that the statements run in: see `pruneLog`. */
  pruneLog: (query: Query, range: { before: Date; now: Date }) => Promise<Pruned | NotSealed>;
  /** Where ReplayCommand reads: a record that was just made need not be on a replica. */
  primary: ReadPool;
  /** How ReplayCommand runs commands. Asked when it is called, because the bus that has the routes is made after its modules. */
  replay: Pick<ReplayParts, 'route' | 'replay'>;
}): Module {
  const { pageTokens, eventTypes, verify, pruneLog, primary, replay } = parts;
  const feeds = new LogFeeds({ pollMs: POLL });

  async function recorded(reader: Reader, commandId: string): Promise<Recorded | undefined> {
    const found = await recordedCommand(reader, commandId, eventTypes);
    if (!found) return undefined;
    return {
      command: create(CommandRecordSchema, found.command),
      events: found.events.map((event) => create(RecordedEventSchema, event)),
    };
  }

  return defineModule<AuditCommandContext, AuditQueryContext>({
    name: 'audit',
    services,
    commandContext: (call) => {
      const work = call.contextValues.get(unitOfWorkKey);
      if (!work) throw new Error('the pipeline has no unit of work');
      return {
        principal: principalOf(call),
        now: call.receivedAt,
        newId: call.newId,
        get signal() {
          return call.signal;
        },
        pruneLog: (before) => pruneLog((text, values) => work.query(text, values), { before, now: call.receivedAt }),
        recorded: (commandId) => recorded(new Reader(primary, call.cancellation), commandId),
        replay: (command) => replayRecorded(command, { ...replay, eventTypes }, call.signal),
      };
    },
    queryContext: (call) => {
      const read = call.contextValues.get(readerKey);
      if (!read) throw new Error('the pipeline chose no database');
      return {
        principal: principalOf(call),
        get signal() {
          return call.signal;
        },
        read,
        feeds,
        pageTokens,
        eventTypes,
        verify,
      };
    },
  });
}
