import { create } from '@bufbuild/protobuf';
import { CommandRecordSchema, RecordedEventSchema } from '#gen/audit/v1/command_record_pb.js';
import { Reader } from '../../kernel/database/read/reader.ts';
import { Tails } from '../../kernel/feed/tails.ts';
import { defineModule } from '../../kernel/module.ts';
import { recordedCommand } from './read-model/recorded-command.ts';
import { sealedLog } from './read-model/sealed-log.ts';
import { rerunRecorded } from './rerun/rerun-recorded.ts';
import { services } from './services.ts';

/** How often the end of the log is looked at while somebody follows it, in milliseconds. */
const POLL = 250;

/**
 * The log of commands: who did what, when, and how it ended, and the proof that nobody changed it.
 *
 * ```ts
 * export const application: Application = { name: 'shop', modules: [orders, audit], roles: { auditor: ['audit.read'] } };
 * ```
 */
export const audit = defineModule({
  name: 'audit',
  services,
  permissions: {
    'audit.read': 'Read the log of commands, and verify it',
    'audit.write': 'Remove months of the log, and run recorded commands again',
  },
  start: ({ log, keys, eventTypes, databases }) => ({
    log,
    eventTypes,
    pageTokens: keys.pageTokens,
    primary: databases.primary,
    tails: new Tails(sealedLog, { pollMs: POLL }),
  }),
  commandContext: (base, { work, call, parts: { log, eventTypes, primary } }) => ({
    pruneLog: (before: Date) => log.prune((text, values) => work.query(text, values), { before, now: base.now }),
    // A record that was just made need not be on a replica.
    recorded: async (commandId: string) => {
      const found = await recordedCommand(new Reader(primary, call.cancellation), commandId, eventTypes);
      if (!found) return undefined;
      return {
        command: create(CommandRecordSchema, found.command),
        events: found.events.map((event) => create(RecordedEventSchema, event)),
      };
    },
    rerun: (command) => rerunRecorded(command, { ...log, eventTypes }, call.signal),
  }),
  queryContext: (_, { read, parts: { tails, pageTokens, eventTypes, log } }) => ({
    read,
    tails,
    pageTokens,
    eventTypes,
    verify: log.verify,
  }),
});
