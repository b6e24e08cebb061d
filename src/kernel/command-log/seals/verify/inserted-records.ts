import type pg from 'pg';
import type { Batch } from '../batch.ts';
import { placeOf, SEALED_COLUMNS, TEXT_ROWS } from '../canonical-record.ts';
import type { Unmatched } from './damage.ts';

const PAGE = 10_000;

/** What is sealed as of a batch; the parameters are `sealedAsOf`. Ids of transactions of another cluster say nothing: their records have a position that was restored. */
const SEALED = '(record.transaction_id < $1::xid8 or record.position <= $2::bigint)';

type Mark = Pick<Batch, 'sealedBelow' | 'restoredPosition'>;

const sealedAsOf = (head: Mark | undefined): string[] => [head?.sealedBelow ?? '0', head?.restoredPosition ?? '0'];

const SEALED_RECORDS = `select count(*) from cqrs.command_log as record where ${SEALED}`;

/** The last key of a page, with each record of the page that should have a seal and has none; one row without, if there is none. */
const UNSEALED = `with page as materialized (
    select received_at, command_id from cqrs.command_log
    where received_at >= $3::timestamptz and (received_at, command_id) > ($3::timestamptz, $4::uuid)
    order by received_at, command_id limit ${PAGE}
  ), last as (
    select received_at, command_id from page order by received_at desc, command_id desc limit 1
  ), unsealed as (
    select record.* from page join cqrs.command_log as record using (received_at, command_id)
    where ${SEALED} and not exists (select from cqrs.command_seal as seal
      where seal.command_id = record.command_id and seal.received_at = record.received_at)
  )
  select last.received_at::text, last.command_id::text, ${SEALED_COLUMNS} from last left join unsealed as record on true`;

const COMMAND_ID = placeOf('command_id');

/** How many records there are that should be sealed. */
export async function countSealedRecords(client: pg.ClientBase, head: Mark | undefined): Promise<number> {
  const { rows } = await client.query<{ count: string }>(SEALED_RECORDS, sealedAsOf(head));
  return Number(rows[0]?.count);
}

/** Records that should have a seal as of the newest batch and have none. Looks at the whole log, page by page. */
export async function* insertedRecords(client: pg.ClientBase, head: Mark | undefined): AsyncGenerator<Unmatched[]> {
  for (let after = ['-infinity', '00000000-0000-0000-0000-000000000000']; ; ) {
    const query = { text: UNSEALED, values: [...sealedAsOf(head), ...after], ...TEXT_ROWS };
    const { rows } = await client.query<(string | null)[]>(query);
    const [receivedAt, commandId] = rows[0] ?? [];
    if (!receivedAt || !commandId) return;
    yield rows.flatMap(([, , ...values]) => (values[COMMAND_ID] === null ? [] : [inserted(values)]));
    after = [receivedAt, commandId];
  }
}

function inserted(values: (string | null)[]): Unmatched {
  const description = 'the record has no seal, though all records of its time have one';
  return { finding: { kind: 'INSERTED', commandId: values[COMMAND_ID] ?? '', description }, digest: undefined, values };
}
