import { toJsonString } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { CommandService } from '#gen/operations/v1/command_service_pb.js';
import { type DeadLetter, DeadLetterSchema, QueryService } from '#gen/operations/v1/query_service_pb.js';
import type { Environment } from '../../kernel/settings.ts';
import { alignedRows } from '../aligned-rows.ts';
import { OptionError, wholeNumber } from '../option-values.ts';
import { print } from '../print.ts';
import { serviceClient } from '../service-client.ts';
import type { TrustFiles } from '../trust.ts';
import { counted } from '../units.ts';

/** What `bicameral dead-letters list` takes, as typed. */
export interface ListDeadLettersOptions extends TrustFiles {
  readonly limit: string;
  readonly json?: boolean;
}

/** What `bicameral dead-letters retry` takes, as typed. */
export interface RetryOptions extends TrustFiles {
  readonly aggregate?: string;
  readonly json?: boolean;
}

const MAX_PAGE_SIZE = 200;

/** `bicameral dead-letters list`: in pages that are written as they come. */
export async function listDeadLetters(
  environment: Environment,
  { processor = '', options }: { processor: string | undefined; options: ListDeadLettersOptions },
): Promise<void> {
  const lines = alignedRows();
  let headings = [['PROCESSOR', 'SEQUENCE', 'EVENT', 'AGGREGATE', 'PARKED', 'TRIED', 'STATE', 'ERROR']];
  const { client, close } = await serviceClient(environment, { ...options, roles: ['operator'] });
  try {
    let pageToken = '';
    for (let left = wholeNumber('--limit', options.limit, 1); left > 0; ) {
      const page = { processor, pageToken, pageSize: Math.min(left, MAX_PAGE_SIZE) };
      const answer = await client(QueryService).listDeadLetters(page, { headers: { 'cqrs-consistency': 'strong' } });
      const text = options.json
        ? answer.deadLetters.map((one) => `${toJsonString(DeadLetterSchema, one, { alwaysEmitImplicit: true })}\n`).join('')
        : lines([...headings, ...answer.deadLetters.map(cellsOf)]);
      headings = [];
      if (!(await print(text)) || !answer.nextPageToken) return;
      pageToken = answer.nextPageToken;
      left -= answer.deadLetters.length;
    }
  } finally {
    close();
  }
}

function cellsOf({ processor, sequence, type, aggregateId, parkedAt, attempts, retry, error }: DeadLetter): string[] {
  const parked = retry ? 'is tried again' : 'parked';
  return [
    processor,
    sequence.toString(),
    type,
    aggregateId,
    parkedAt ? timestampDate(parkedAt).toISOString() : '',
    String(attempts),
    attempts === 0 ? 'waits behind another' : parked,
    error,
  ];
}

/** `bicameral dead-letters retry` */
export async function retryDeadLetters(
  environment: Environment,
  { processor, sequence, options }: { processor: string; sequence: string | undefined; options: RetryOptions },
): Promise<void> {
  const { aggregate } = options;
  if (sequence !== undefined && aggregate !== undefined)
    throw new OptionError('--aggregate', aggregate, 'give it or the number of an event');
  const { client, close } = await serviceClient(environment, { ...options, roles: ['operator'] });
  try {
    const { deadLetters } = await client(CommandService).retryDeadLetter({
      processor,
      ...(sequence !== undefined && { deadLetters: { case: 'sequence', value: BigInt(wholeNumber('sequence', sequence, 1)) } }),
      ...(aggregate !== undefined && { deadLetters: { case: 'aggregateId', value: aggregate } }),
    });
    const told =
      deadLetters === 0n ? `${processor} has parked nothing.` : `${counted(deadLetters, 'event')} will be tried again.`;
    await print(options.json ? `${JSON.stringify({ processor, deadLetters: Number(deadLetters) })}\n` : `${told}\n`);
  } finally {
    close();
  }
}

/** `bicameral dead-letters discard` */
export async function discardDeadLetter(
  environment: Environment,
  { processor, sequence, options }: { processor: string; sequence: string; options: TrustFiles & { json?: boolean } },
): Promise<void> {
  const number = wholeNumber('sequence', sequence, 1);
  const { client, close } = await serviceClient(environment, { ...options, roles: ['operator'] });
  try {
    await client(CommandService).discardDeadLetter({ processor, sequence: BigInt(number) });
    await print(
      options.json
        ? `${JSON.stringify({ processor, sequence: number })}\n`
        : `Event ${number} is discarded: ${processor} will not handle it.\n`,
    );
  } finally {
    close();
  }
}
