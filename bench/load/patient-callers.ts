/** Run by `runPatientCallers`: callers who, when they are refused, wait as they are told, and call at once after an answer. */
import { setTimeout as delay } from 'node:timers/promises';
import type { PatientLoad, PatientResult } from './run-patient-callers.ts';
import { openWire } from './wire.ts';

const load: PatientLoad = JSON.parse(process.argv[2] ?? '');
const { target, callers, connections, warmUpMs, durationMs } = load;
const bodies = target.bodies.map((body) => Buffer.from(body, 'base64'));
const wire = await openWire({ ...target, bodies }, connections);
const counts = { answered: 0, refused: 0, failed: 0 };
const from = performance.now() + warmUpMs;
const to = from + durationMs;

await Promise.all(Array.from({ length: callers }, call));
wire.close();
const result: PatientResult = { ...counts, perSecond: counts.answered / (durationMs / 1000) };
console.log(JSON.stringify(result));

async function call(): Promise<void> {
  while (performance.now() < to) {
    const { how, comeBackAfterMs } = await wire.call();
    const now = performance.now();
    if (now >= from && now < to) counts[how] += 1;
    if (how === 'refused') await delay(Math.min(comeBackAfterMs, Math.max(0, to - now)));
  }
}
