import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ExportResult } from '@opentelemetry/core';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { lostSpans, PatientExporter } from '../../../src/kernel/telemetry/patient-exporter.ts';
import { eventually } from '../../support/eventually.ts';
import { FOREVER } from '../../support/patience.ts';

const AWAY: ExportResult = { code: 1, error: new Error('connect ECONNREFUSED') };
const TAKEN: ExportResult = { code: 0 };
const spans = Array.from({ length: 3 }) as ReadableSpan[];

/** An exporter to a collector that gives these answers in turn, and the last one from then on. */
function exporterTo(answers: ExportResult[], pauseMs = 0) {
  const lines: string[] = [];
  const offered: number[] = [];
  const inner = {
    export: (batch: ReadableSpan[], done: (result: ExportResult) => void) => {
      offered.push(batch.length);
      done((answers.length > 1 ? answers.shift() : answers[0]) ?? TAKEN);
    },
    shutdown: async () => {},
  };
  const write = (level: string) => (about: object, message: string) => {
    lines.push(`${level} ${message}${'lost' in about ? ` ${JSON.stringify(about.lost)}` : ''}`);
  };
  const logger = { warn: write('warn'), info: write('info') } as never;
  const exporter = new PatientExporter(inner, { logger, pauseMs });
  const send = (): Promise<ExportResult> => new Promise((done) => exporter.export(spans, done));
  return { exporter, send, lines, offered };
}

beforeEach(() => {
  Object.assign(lostSpans, { queueFull: 0, refused: 0, atStop: 0 });
});

describe('an exporter to a collector that is away', () => {
  it('offers the same spans until they are taken, and says so once', async () => {
    const { send, lines, offered, exporter } = exporterTo([AWAY, AWAY, AWAY, TAKEN]);
    expect(await send()).toEqual(TAKEN);
    expect(await send()).toEqual(TAKEN);
    expect(offered).toEqual([3, 3, 3, 3, 3]);
    const none = '{"queueFull":0,"refused":0,"atStop":0}';
    expect(lines).toEqual(['warn traces cannot be exported; trying again', `info traces are exported again ${none}`]);
    expect(exporter.underWay).toBe(0);
  });

  it.each([503, 429, 14])('goes on after the status %d, which passes', async (status) => {
    const { send } = exporterTo([{ code: 1, error: Object.assign(new Error('busy'), { code: status }) }, TAKEN]);
    expect(await send()).toEqual(TAKEN);
    expect(lostSpans.refused).toBe(0);
  });

  it.each([400, 404, 413, 16])('gives up after the status %d, which stays, and counts what is lost', async (status) => {
    const { send, offered } = exporterTo([{ code: 1, error: Object.assign(new Error('no'), { code: status }) }]);
    expect((await send()).code).toBe(1);
    expect(offered).toEqual([3]);
    expect(lostSpans).toEqual({ queueFull: 0, refused: 3, atStop: 0 });
  });

  it('is told of the end while it waits, and tries no more', async () => {
    const { send, exporter, offered } = exporterTo([AWAY], FOREVER);
    const sending = send();
    await eventually(() => expect(offered).toEqual([3]));
    expect(exporter.underWay).toBe(3);
    exporter.stopTrying();
    await sending;
    expect(offered).toEqual([3, 3]);
    expect(lostSpans).toEqual({ queueFull: 0, refused: 0, atStop: 3 });
  });
});
