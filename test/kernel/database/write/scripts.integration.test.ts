import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { UniqueConstraintViolationException } from '@mikro-orm/core';
import { UserNameChangedSchema } from '#gen/users/v1/events_pb.js';
import { Conflict } from '../../../../src/kernel/bus/errors.ts';
import type { ScriptedChange } from '../../../../src/kernel/database/write/changed-aggregates.ts';
import { ChangeWithoutEvent, UndeclaredChange } from '../../../../src/kernel/database/write/refused-changes.ts';
import { Label, Leg, Traveller } from './trips/trip.ts';
import { id, loadTrip, planTrip, startTripWork, type TripWork } from './trips/trip-work.ts';

/** Scripts: commands that work on tables as they are, such as those of an application that has had no commands until now. */
let trips: TripWork;
beforeAll(async () => {
  trips = await startTripWork();
  await planTrip(trips, 1000);
});
afterAll(async () => trips[Symbol.asyncDispose]());

const rows = (text: string, ...values: unknown[]): Promise<Record<string, unknown>[]> => trips.database.query(text, values);

const labelled = (n: number, version = 1): ScriptedChange => ({
  aggregateType: 'trips.v1.Label',
  aggregateId: id(n),
  ...(version > 1 && { versionBefore: version - 1 }),
  version,
  events: [{ schema: UserNameChangedSchema, message: create(UserNameChangedSchema, { name: 'labelled' }) }],
});

describe('a script', () => {
  it('changes rows by plain SQL, and its event and record are stored with them', async () => {
    await trips.run(async (work) => {
      await work.query('insert into trips.label (id, text) values ($1, $2)', [id(1), 'by SQL']);
      work.changed(labelled(1));
    });
    expect(await rows('select text from trips.label where id = $1', id(1))).toEqual([{ text: 'by SQL' }]);
    const [event] = await rows(
      'select id, type, payload, aggregate_type, aggregate_version from cqrs.event where aggregate_id = $1',
      id(1),
    );
    expect(event).toMatchObject({ type: 'users.v1.UserNameChanged', aggregate_type: 'trips.v1.Label', aggregate_version: 1 });
    expect(
      await rows(
        'select outcome, aggregate_type, version_before, version_after, event_ids from cqrs.command_log where aggregate_id = $1',
        id(1),
      ),
    ).toEqual([
      { outcome: 'succeeded', aggregate_type: 'trips.v1.Label', version_before: null, version_after: 1, event_ids: [event?.id] },
    ]);
  });

  it('changes entities by the EntityManager, which is flushed at the end', async () => {
    await trips.run((work) => {
      work.manager.persist(work.manager.create(Label, { id: id(2), text: 'by ORM' }));
      work.changed(labelled(2));
    });
    await trips.run(async (work) => {
      const label = await work.manager.findOneOrFail(Label, { id: id(2) });
      label.text = 'changed by ORM';
      work.changed(labelled(2, 2));
    });
    await trips.run(async (work) => {
      await work.manager
        .createQueryBuilder(Label)
        .update({ text: 'by query builder' })
        .where({ id: id(1) })
        .execute();
      await work.manager
        .getKysely<{ 'trips.label': { id: string; text: string } }>()
        .updateTable('trips.label')
        .set({ text: 'by Kysely' })
        .where('id', '=', id(2))
        .execute();
      await work.manager.execute('update trips.label set text = text || ? where id = ?', ['!', id(2)]);
      work.changed(labelled(1, 2));
    });
    expect(await rows('select text from trips.label where id = any ($1) order by id', [id(1), id(2)])).toEqual([
      { text: 'by query builder' },
      { text: 'by Kysely!' },
    ]);
  });

  it('removes what MikroORM cascades to', async () => {
    await planTrip(trips, 2000);
    await trips.run(async (work) => {
      const leg = await work.manager.findOneOrFail(Leg, { id: id(2001) }, { populate: ['stops'] as never });
      work.manager.remove(leg);
      work.changed(labelled(3));
    });
    expect(await rows('select from trips.leg where id = $1', id(2001))).toEqual([]);
    expect(await rows('select from trips.stop where leg_id = $1', id(2001))).toEqual([]);
  });

  it('undoes a part of its work by a transaction within its own', async () => {
    await trips.run(async (work) => {
      await work.query('insert into trips.label (id, text) values ($1, $2)', [id(10), 'outside']);
      const failure = await work.manager
        .transactional(async (inner) => {
          await inner.execute('insert into trips.label (id, text) values (?, ?)', [id(11), 'inside']);
          await inner.execute('insert into trips.label (id, text) values (?, ?)', [id(10), 'twice']);
        })
        .catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(UniqueConstraintViolationException);
      // What PostgreSQL says of the row would be in the log.
      expect((failure as Error).message).not.toContain(id(10));
      await work.manager.transactional((inner) =>
        inner.execute('insert into trips.label (id, text) values (?, ?)', [id(12), 'kept']),
      );
      work.changed(labelled(10));
    });
    expect(await rows('select text from trips.label where id = any ($1) order by id', [id(10), id(11), id(12)])).toEqual([
      { text: 'outside' },
      { text: 'kept' },
    ]);
  });

  it('that fails leaves nothing', async () => {
    const failing = trips.run(async (work) => {
      await work.query('insert into trips.label (id, text) values ($1, $2)', [id(20), 'gone']);
      work.changed(labelled(20));
      throw new Error('refused');
    });
    await expect(failing).rejects.toThrow('refused');
    expect(await rows('select from trips.label where id = $1', id(20))).toEqual([]);
    expect(await rows('select from cqrs.event where aggregate_id = $1', id(20))).toEqual([]);
  });

  it('is tried again when MikroORM finds that its entity was overtaken', async () => {
    const overtaken = trips.run(async (work) => {
      const traveller = await work.manager.findOneOrFail(Traveller, { id: id(1050) });
      await rows('update trips.traveller set writes = writes + 1 where id = $1', id(1050));
      traveller.name = 'Slower';
      work.changed(labelled(30));
    });
    await expect(overtaken).rejects.toBeInstanceOf(Conflict);
  });

  it.each<[string, (work: Parameters<Parameters<TripWork['run']>[0]>[0]) => Promise<unknown>]>([
    ['an entity', async (work) => Object.assign(await work.manager.findOneOrFail(Label, { id: id(1) }), { text: 'Silent' })],
    ['rows by the manager', (work) => work.manager.execute('update trips.label set text = ?', ['Silent'])],
    [
      'rows that it flushes itself',
      async (work) => {
        Object.assign(await work.manager.findOneOrFail(Label, { id: id(1) }), { text: 'Silent' });
        await work.manager.flush();
      },
    ],
  ])('that changes %s and names no event is refused', async (_, change) => {
    await expect(trips.run(async (work) => void (await change(work)))).rejects.toBeInstanceOf(ChangeWithoutEvent);
    expect(await rows(`select from trips.label where text = 'Silent'`)).toEqual([]);
  });

  it('that names two aggregates, or one beside another, has to be declared', async () => {
    const two = trips.run((work) => {
      work.changed(labelled(40));
      work.changed(labelled(41));
    });
    await expect(two).rejects.toBeInstanceOf(UndeclaredChange);
    const beside = trips.run(async (work) => {
      (await loadTrip(work, id(1000))).note('changed');
      work.changed(labelled(42));
    });
    await expect(beside).rejects.toBeInstanceOf(UndeclaredChange);
  });
});
