import { describe, expect, it } from '@jest/globals';
import { CommandService as UsersCommands } from '../../../../gen/users/v1/command_service_pb.js';
import { eventually } from '../../../support/eventually.ts';
import { somebody } from '../../../support/people.ts';
import { startTracedApp, type TracedApp } from '../../../support/traced-app.ts';
import { type SeenSpan, treeOf } from '../../../support/traces.ts';
import { application } from '../reacting-app.ts';
import { GIFT } from './welcome-gift.ts';

async function giftsInStock({ app }: TracedApp): Promise<void> {
  await app.database.query(`insert into orders.product values ($1, 'Tea', 0)`, [GIFT]);
  await app.database.query('insert into orders.stock values ($1, 1000, 1)', [GIFT]);
}

const isCall = (method: string) => (span: SeenSpan) => span.name === method && span.kind === 'server';
const CREATE_USER = 'users.v1.CommandService/CreateUser';
const PLACE_ORDER = 'orders.v1.CommandService/PlaceOrder';
const ADD_LINE = 'orders.v1.CommandService/AddLine';

/** The traces that are found from a span by links alone: what reacted to it, what reacted to that, and so on. */
function linkedTo(spans: readonly SeenSpan[], span: SeenSpan): SeenSpan[] {
  const reactions = spans.filter(({ links }) =>
    links.some((link) => link.traceId === span.traceId && link.spanId === span.spanId),
  );
  return reactions.flatMap((reaction) => {
    const inside = spans.filter(({ traceId }) => traceId === reaction.traceId);
    return [reaction, ...inside.filter(({ kind }) => kind === 'server').flatMap((call) => [call, ...linkedTo(spans, call)])];
  });
}

describe('a chain of commands and reactions', () => {
  it('is found by links, from its first command on', async () => {
    await using traced = await startTracedApp({ as: application });
    const { app, collector } = traced;
    await giftsInStock(traced);
    await app.client(UsersCommands).createUser(somebody());
    const seen: SeenSpan[] = [];
    await eventually(() => {
      const first = collector.spans().find(isCall(CREATE_USER));
      seen.splice(0, seen.length, ...(first ? linkedTo(collector.spans(), first) : []));
      expect(seen.map(({ name, kind }) => `${kind} ${name}`)).toEqual([
        'consumer react welcome_gift',
        `server ${PLACE_ORDER}`,
        'consumer react thank_you',
        `server ${ADD_LINE}`,
      ]);
    });
    const [reaction, placed, second] = seen;
    const inTrace = collector.spans().filter(({ traceId }) => traceId === reaction?.traceId);
    expect(treeOf(inTrace).slice(0, 2)).toEqual(['react welcome_gift', `  ${PLACE_ORDER}`]);
    expect(reaction?.parentId).toBeUndefined();

    const [created] = await app.database.query<{ id: string }>(`select id from cqrs.event where type = 'users.v1.UserCreated'`);
    expect(reaction?.attributes).toMatchObject({
      'cqrs.reactor': 'welcome_gift',
      'cqrs.event.id': created?.id,
      'cqrs.event.type': 'users.v1.UserCreated',
      'cqrs.event.sequence': 1,
    });
    const [record] = await app.database.query<{ trace_id: string }>(
      `select trace_id from cqrs.command_log where principal = 'reactor welcome_gift'`,
    );
    expect(record?.trace_id).toBe(placed?.traceId);
    expect(second?.traceId).not.toBe(placed?.traceId);
  });

  it('is recorded as a whole or not at all, where a ratio decides what is', async () => {
    await using traced = await startTracedApp({
      as: application,
      variables: { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.3' },
    });
    const { app, collector } = traced;
    await giftsInStock(traced);
    for (let n = 0; n < 30; n += 1) await app.client(UsersCommands).createUser(somebody());
    const recorded = () => collector.spans().filter(isCall(CREATE_USER));
    await eventually(async () => {
      const [done] = await app.database.query<{ count: number }>(
        `select count(*)::integer as count from cqrs.command_log where principal = 'reactor thank_you' and outcome = 'succeeded'`,
      );
      expect(done?.count).toBe(30);
      const whole = recorded().filter((first) => linkedTo(collector.spans(), first).some(isCall(ADD_LINE)));
      expect(whole).toHaveLength(recorded().length);
    });
    // Of 30, all or none are hardly ever recorded.
    expect(recorded().length).toBeGreaterThan(0);
    expect(recorded().length).toBeLessThan(30);
  });
});
