import type pg from 'pg';

const BATCH = 50_000;

/** Of the session: whoever has it is the only one that may seal. */
export const SEAL_LOCK = `select pg_advisory_lock(hashtext('cqrs.command_seal'))`;

/**
 * Puts records of commands into the log, whole ones: as of ChangeName, each with a personal part and its digest. They have no seals and no
 * events. Some 5 s for 100,000.
 */
export async function makeRecords(client: pg.ClientBase, records: number, onProgress: (made: number) => void): Promise<void> {
  for (let made = 0; made < records; made += BATCH) {
    onProgress(made);
    await client.query(RECORDS, [Math.min(BATCH, records - made)]);
  }
}

const RECORDS = `insert into cqrs.command_log
    (command_id, received_at, method, principal, roles, session, request, personal, personal_digest, outcome, code, reason, dry_run,
     aggregate_type, aggregate_id, version_before, version_after, event_ids, attempts, duration_us, trace_id, peer, user_agent, issuer, request_excerpt)
  select gen_random_uuid(), clock_timestamp(), 'users.v1.CommandService/ChangeName', 'operator', '{admin}', '', json_build_object('userId', user_id),
    personal::json, sha256(convert_to(personal, 'UTF8')), 'succeeded', 'OK', '', false,
    'users.v1.User', user_id, n, n + 1, array[gen_random_uuid()], 1, 1000 + n, md5(n::text), '127.0.0.1:50051', 'h2load', 'bicameral', false
  from generate_series(1, $1::integer) as n
  cross join lateral (select gen_random_uuid() as user_id,
    format('{"salt":"%s","fields":{"name":"Name %s"}}', gen_random_uuid(), n) as personal) as made`;

/** Resolves when every record that was there has a seal. */
export async function untilSealed(client: pg.ClientBase, pause: () => Promise<unknown>): Promise<void> {
  const { rows } = await client.query<{ mark: string }>('select pg_snapshot_xmax(pg_current_snapshot())::text as mark');
  const text = `select exists (select from cqrs.command_log as record
      where transaction_id >= coalesce((select sealed_below from cqrs.command_seal_batch order by number desc limit 1), '0'::xid8)
        and transaction_id < $1::xid8) as waits`;
  for (;;) {
    const { rows: looked } = await client.query<{ waits: boolean }>({ name: 'unsealed', text, values: [rows[0]?.mark] });
    if (!looked[0]?.waits) return;
    await pause();
  }
}
