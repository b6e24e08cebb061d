import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Connection } from '../../../../src/kernel/database/connection.ts';
import type { SeenEvent } from './checks.ts';

/** Somebody who reads events as they come, page by page, and remembers where the page ended. */
export interface TailReader {
  /** In the order in which they were given. */
  readonly given: readonly SeenEvent[];
  /** By which number or position they were given, and what is wrong with that. */
  readonly gaps: readonly string[];
  /** Stops at the end, and rejects with what it failed by. */
  readonly stop: () => Promise<void>;
}

interface Row {
  readonly place: string;
  readonly id: string;
  readonly cause: string;
  readonly aggregate_id: string;
  readonly aggregate_version: number;
}

const COLUMNS = `id, convert_from(payload, 'UTF8') as cause, aggregate_id, aggregate_version`;

/** By the numbers of the feed, which have no gap. */
export const readByNumber = (connection: Connection): Promise<TailReader> =>
  read(connection, {
    isDense: true,
    text: `select sequence as place, ${COLUMNS} from cqrs.feed join cqrs.event using (position)
      where sequence > $1 order by sequence limit 50`,
  });

/** As one would without the feed: by the positions, which events take before they are committed. */
export const readByPosition = (connection: Connection): Promise<TailReader> =>
  read(connection, {
    isDense: false,
    text: `select position as place, ${COLUMNS} from cqrs.event where position > $1 order by position limit 50`,
  });

async function read(connection: Connection, { text, isDense }: { text: string; isDense: boolean }): Promise<TailReader> {
  const client = new pg.Client(connection);
  await client.connect();
  const given: SeenEvent[] = [];
  const gaps: string[] = [];
  let last = 0;
  let isStopped = false;

  async function follow(): Promise<void> {
    while (!isStopped) {
      const { rows } = await client.query<Row>(text, [last]);
      for (const { place, id, cause, aggregate_id, aggregate_version } of rows) {
        if (isDense && Number(place) !== last + 1) gaps.push(`${place} came after ${last}`);
        last = Number(place);
        given.push({ id, cause: cause || undefined, aggregateId: aggregate_id, version: aggregate_version });
      }
      if (rows.length === 0) await sleep(1);
    }
  }

  const following = follow();
  following.catch(() => {});
  return {
    given,
    gaps,
    stop: async () => {
      isStopped = true;
      await following.finally(() => client.end());
    },
  };
}
