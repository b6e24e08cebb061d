import { toJsonString } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Client } from '@connectrpc/connect';
import { type CommandRecord, CommandRecordSchema } from '#gen/audit/v1/command_record_pb.js';
import { QueryService } from '#gen/audit/v1/query_service_pb.js';
import type { Environment } from '../../kernel/settings.ts';
import { alignedRows } from '../aligned-rows.ts';
import { OptionError, time, wholeNumber } from '../option-values.ts';
import { print } from '../print.ts';
import { serviceClient } from '../service-client.ts';
import type { TrustFiles } from '../trust.ts';
import { OUTCOME_WORDS, RECORD_HEADINGS, recordCells } from './record-cells.ts';

/** What `bicameral audit list` takes, as typed. */
export interface ListOptions extends TrustFiles {
  readonly actor?: string;
  readonly method?: string;
  readonly target?: string;
  readonly outcome?: string;
  readonly from?: string;
  readonly to?: string;
  readonly correlation?: string;
  readonly limit: string;
  readonly json?: boolean;
}

const MAX_PAGE_SIZE = 200;

type Queries = Client<typeof QueryService>;
type Filter = Omit<Parameters<Queries['listCommands']>[0], '$typeName' | 'pageSize' | 'pageToken'>;

/** `bicameral audit list`: the newest records first, in pages that are written as they come. */
export async function listCommands(environment: Environment, options: ListOptions): Promise<void> {
  const filter = filterOf(options);
  const limit = wholeNumber('--limit', options.limit, 1);
  const lines = alignedRows();
  let headings = [RECORD_HEADINGS];
  const write = (records: readonly CommandRecord[]): Promise<boolean> => {
    if (options.json) return print(records.map((record) => `${toJsonString(CommandRecordSchema, record)}\n`).join(''));
    const rows = [...headings, ...records.map((record) => recordCells(record, options.issuer))];
    headings = [];
    return print(lines(rows));
  };

  const { client, close } = await serviceClient(environment, { ...options, roles: ['auditor'] });
  try {
    for await (const records of pages(client(QueryService), filter, limit)) if (!(await write(records))) return;
  } finally {
    close();
  }
}

async function* pages(queries: Queries, filter: Filter, limit: number): AsyncGenerator<CommandRecord[]> {
  let pageToken = '';
  for (let left = limit; left > 0; ) {
    const { commands, nextPageToken } = await queries.listCommands({
      ...filter,
      pageSize: Math.min(left, MAX_PAGE_SIZE),
      pageToken,
    });
    yield commands;
    if (!nextPageToken) return;
    pageToken = nextPageToken;
    left -= commands.length;
  }
}

function filterOf({ actor, method, target, outcome, from, to, correlation }: ListOptions): Filter {
  const known = outcome === undefined ? undefined : OUTCOME_WORDS.get(outcome);
  if (outcome !== undefined && known === undefined) {
    throw new OptionError('--outcome', outcome, `give one of ${[...OUTCOME_WORDS.keys()].join(', ')}`);
  }
  return {
    ...(actor !== undefined && { actor }),
    ...(method !== undefined && { method }),
    ...(target !== undefined && { target }),
    ...(known !== undefined && { outcome: known }),
    ...(from !== undefined && { receivedFrom: timestampFromDate(time('--from', from)) }),
    ...(to !== undefined && { receivedTo: timestampFromDate(time('--to', to)) }),
    ...(correlation !== undefined && { correlationId: correlation }),
  };
}
