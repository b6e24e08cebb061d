import { setTimeout as sleep } from 'node:timers/promises';
import { toJsonString } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { type CommandRecord, CommandRecordSchema } from '#gen/audit/v1/command_record_pb.js';
import { QueryService } from '#gen/audit/v1/query_service_pb.js';
import { Reason } from '#gen/cqrs/v1/reasons_pb.js';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import type { Environment } from '../../kernel/settings.ts';
import { alignedRows } from '../aligned-rows.ts';
import { wholeNumber } from '../option-values.ts';
import { print } from '../print.ts';
import { serviceClient } from '../service-client.ts';
import type { TrustFiles } from '../trust.ts';
import { RECORD_HEADINGS, recordCells } from './record-cells.ts';

/** What `bicameral audit watch` takes, as typed. */
export interface WatchOptions extends TrustFiles {
  readonly after?: string;
  readonly json?: boolean;
}

/** How a service that goes away looks to who is connected with it: it says so, or the connection ends or breaks. */
const AWAY: ReadonlySet<Code> = new Set([Code.Unavailable, Code.Canceled, Code.Aborted]);
/** Between two attempts to come back to a service that is away, in milliseconds. */
const RETRY = 1_000;

/**
 * `bicameral audit watch`: records in the order of the log as they are sealed, until it is interrupted. When the service goes away in
 * the middle, it waits for it and goes on where it was.
 */
export async function watchCommands(environment: Environment, options: WatchOptions): Promise<void> {
  const lines = alignedRows();
  const write = (record: CommandRecord): Promise<boolean> =>
    print(options.json ? `${toJsonString(CommandRecordSchema, record)}\n` : lines([recordCells(record, options.issuer)]));
  if (!options.json && !(await print(lines([RECORD_HEADINGS])))) return;

  let place = options.after === undefined ? undefined : BigInt(wholeNumber('--after', options.after, 0));
  let wasThere = false;
  for (;;) {
    // For each attempt, because a token lasts for hours and a watcher for days.
    const { client, close } = await serviceClient(environment, { ...options, roles: ['auditor'] });
    try {
      const request = place === undefined ? {} : { afterSequence: place };
      for await (const { event } of client(QueryService).watchCommands(request)) {
        wasThere = true;
        place = event.value?.sequence ?? place;
        if (event.case === 'command' && !(await write(event.value))) return;
      }
    } catch (error) {
      if (!wasThere || !(error instanceof ConnectError)) throw error;
      if (!AWAY.has(error.code) && !hasExpired(error)) throw error;
      if (!hasExpired(error)) process.stderr.write(`… the service is unavailable; going on behind ${place} when it is back\n`);
    } finally {
      close();
    }
    await sleep(RETRY);
  }
}

/** A stream ends with its token; the next attempt has a new one. */
const hasExpired = (error: ConnectError): boolean =>
  error
    .findDetails(ErrorInfoSchema)
    .some(({ reason, metadata }) => reason === Reason[Reason.TOKEN_INVALID] && metadata.cause === 'EXPIRED');
