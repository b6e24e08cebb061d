import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, it } from '@jest/globals';
import { eventually } from '../../../support/eventually.ts';
import { signUp } from '../../../support/people.ts';
import { startTestApp } from '../../../support/test-app.ts';

interface Sent {
  readonly resourceMetrics: readonly {
    readonly resource: {
      readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
    };
    readonly scopeMetrics: readonly {
      readonly metrics: readonly {
        readonly name: string;
        readonly sum?: { readonly dataPoints: readonly { readonly asDouble: number; readonly attributes: unknown }[] };
      }[];
    }[];
  }[];
}

it('metrics go to a collector, that of before again when it was away, and the end does not wait for it', async () => {
  const received: { path: string | undefined; body: Sent }[] = [];
  let isAway = true;
  const collector = createServer(async (request, response) => {
    const body = (await json(request)) as Sent;
    if (!isAway) received.push({ path: request.url, body });
    response.writeHead(isAway ? 400 : 200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((listening) => collector.listen(0, '127.0.0.1', listening));
  const before = { ...process.env };
  Object.assign(process.env, {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_METRIC_EXPORT_INTERVAL: '50',
  });
  const app = await startTestApp({ pushesMetrics: true });
  process.env = before;
  try {
    await signUp(app);
    await eventually(() => expect(app.log()).toContain('the collector takes no metrics'));
    isAway = false;
    await eventually(() => expect(received.length).toBeGreaterThan(0));
    const [{ path, body } = { path: '', body: undefined }] = received;
    expect(path).toBe('/v1/metrics');
    const about = Object.fromEntries(
      body?.resourceMetrics[0]?.resource.attributes.map(({ key, value }) => [key, value.stringValue]) ?? [],
    );
    expect(about).toMatchObject({ 'service.name': 'bicameral', 'service.instance.id': expect.stringMatching(/./) });
    const metrics = () => received.at(-1)?.body.resourceMetrics[0]?.scopeMetrics[0]?.metrics ?? [];
    expect(metrics().map(({ name }) => name)).toEqual(expect.arrayContaining(['cqrs_command_total', 'rpc.server.call.duration']));
    // The first may have been on its way before the sign-up.
    await eventually(() => {
      const { sum } = metrics().find(({ name }) => name === 'cqrs_command_total') ?? {};
      const signUps = sum?.dataPoints.find(({ attributes }) => JSON.stringify(attributes).includes('CreateUser'));
      expect(signUps?.asDouble).toBe(1);
    });
    await eventually(() => expect(app.log()).toContain('the collector takes metrics again'));
    expect(app.log().match(/the collector takes no metrics/g)).toHaveLength(1);
  } finally {
    await app.stop();
    collector.closeAllConnections();
    collector.close();
  }
});
