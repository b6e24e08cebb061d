import { type Client, Code, createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '#gen/grpc/health/v1/health_pb.js';
import { CallGauge } from '../../../../src/kernel/bus/call-gauge.ts';
import { type Conformance, conformanceService } from '../../../support/conformance-service.ts';
import { openDoors, SUBJECTS } from '../../../support/doors.ts';
import { refusalOf } from '../../../support/errors.ts';
import { eventually } from '../../../support/eventually.ts';
import { standardServices } from '../../../support/standard-services.ts';

const COMMANDS = 'conformance.v1.CommandService';
const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = ServingStatus;

describe.each(SUBJECTS.filter(({ network }) => network))('health, $name', ({ open }) => {
  let conformance: Conformance;
  let gauge: CallGauge;
  let standard: ReturnType<typeof standardServices>;
  let client: Client<typeof Health>;
  const resources = new AsyncDisposableStack();

  beforeAll(async () => {
    conformance = conformanceService();
    gauge = new CallGauge(10);
    standard = standardServices(conformance, { streams: 10, gauge });
    const doors = resources.adopt(await openDoors({ ...conformance, standard: standard.rpcs }), ({ close }) => close());
    const { transport, close } = open({ ...doors, conformance });
    resources.defer(() => close?.());
    client = createClient(Health, transport);
  });
  afterAll(() => resources.disposeAsync());
  beforeEach(() => {
    standard.health.setServing('', false);
    standard.health.setServing(COMMANDS, false);
  });

  const check = async (service: string) => (await client.check({ service })).status;

  /** What a watch says, until `leave`. */
  function watch(service: string): { seen: ServingStatus[]; leave: () => void; ended: Promise<unknown> } {
    const leaving = new AbortController();
    const seen: ServingStatus[] = [];
    const read = async (): Promise<void> => {
      for await (const { status } of client.watch({ service }, { signal: leaving.signal })) seen.push(status);
    };
    const ended = read().catch((error: unknown) => error);
    return { seen, leave: () => leaving.abort(), ended };
  }

  it('tells of each service by itself, and lists all', async () => {
    standard.health.setServing(COMMANDS, true);
    expect([await check(''), await check(COMMANDS), await check('conformance.v1.QueryService')]).toEqual([
      NOT_SERVING,
      SERVING,
      NOT_SERVING,
    ]);
    const { statuses } = await client.list({});
    expect(Object.entries(statuses).map(([name, { status }]) => [name, status])).toEqual(
      expect.arrayContaining([
        ['', NOT_SERVING],
        [COMMANDS, SERVING],
      ]),
    );
  });

  it('does not know other names', async () => {
    expect(await refusalOf(client.check({ service: 'nobody' }))).toMatchObject({
      code: 'NotFound',
      reason: 'HEALTH_UNKNOWN',
      metadata: { service: 'nobody' },
    });
  });

  it('tells a watcher what is so and what changes, once each', async () => {
    const watching = watch(COMMANDS);
    await eventually(() => expect(watching.seen).toEqual([NOT_SERVING]));
    for (const serving of [true, true, true, false, false]) {
      standard.health.setServing(COMMANDS, serving);
      // Told again and again, as by whoever looks four times a second.
      for (let turn = 0; turn < 5; turn += 1) await check(COMMANDS);
    }
    await eventually(() => expect(watching.seen).toEqual([NOT_SERVING, SERVING, NOT_SERVING]));
    watching.leave();
    await watching.ended;
  });

  it('keeps the watch of an unknown name open', async () => {
    const watching = watch('nobody');
    await eventually(() => expect(watching.seen).toEqual([SERVICE_UNKNOWN]));
    expect(standard.health.watchers).toBe(1);
    watching.leave();
    await watching.ended;
  });

  it('refuses to watch a name that is longer than any', async () => {
    const refused = watch('x'.repeat(256));
    expect(await refused.ended).toMatchObject({ code: Code.InvalidArgument });
  });

  it('forgets watchers that have left, and has half of all places for streams', async () => {
    const watching = Array.from({ length: 5 }, () => watch(''));
    await eventually(() => expect(standard.health.watchers).toBe(5));
    const refused = watch('');
    expect(await refused.ended).toMatchObject({ code: Code.ResourceExhausted });
    expect(gauge.inFlight).toBe(5);
    expect(await check('')).toBe(NOT_SERVING);

    for (const { leave } of watching) leave();
    await eventually(() => expect([standard.health.watchers, gauge.inFlight]).toEqual([0, 0]));
  });

  it('tells watchers of the end, and ends', async () => {
    standard.health.setServing('', true);
    const watching = watch('');
    await eventually(() => expect(watching.seen).toEqual([SERVING]));
    standard.health.close();
    expect(await watching.ended).toMatchObject({ code: Code.Unavailable });
    expect(watching.seen).toEqual([SERVING, NOT_SERVING]);
    standard.health.setServing('', true);
    expect(await check('')).toBe(NOT_SERVING);
  });
});
