import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoadWindow } from '../running-bench.ts';

/** What `node --cpu-prof` writes; times in microseconds of the monotonic clock (V8's Profiler domain). */
interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
  readonly startTime: number;
}

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

const MOST_FUNCTIONS = 40;

/** Where the processor time of the service went while it was under load: by package, and by function. */
export async function profileReport(folder: string, windows: readonly LoadWindow[]): Promise<string> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.cpuprofile'));
  const times = new Map<string, { group: string; time: number }>();
  for (const file of files) {
    const profile: CpuProfile = JSON.parse(await readFile(join(folder, file), 'utf8'));
    addSelfTimes(profile, windows, times);
  }
  const functions = [...times]
    .map(([name, { group, time }]) => ({ name, group, time }))
    .sort((one, other) => other.time - one.time);
  const busy = functions.reduce((sum, { time }) => sum + time, 0);
  const groups = [...Map.groupBy(functions, ({ group }) => group)]
    .map(([group, members]) => ({ group, time: members.reduce((sum, { time }) => sum + time, 0) }))
    .sort((one, other) => other.time - one.time);
  const share = (time: number): string => `${((time / busy) * 100).toFixed(1).padStart(5)} %`;
  return [
    'Self time while under load, of the time the service was busy, by package:',
    ...groups.map(({ group, time }) => `  ${share(time)}  ${group}`),
    '',
    'and by function:',
    ...functions.slice(0, MOST_FUNCTIONS).map(({ name, group, time }) => `  ${share(time)}  ${group}  ${name}`),
    '',
    `For a flame graph, open in a browser's developer tools: ${files.map((file) => join(folder, file)).join(' ')}`,
    '',
  ].join('\n');
}

function addSelfTimes(
  { nodes, samples, timeDeltas, startTime }: CpuProfile,
  windows: readonly LoadWindow[],
  times: Map<string, { group: string; time: number }>,
): void {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  let now = startTime;
  for (const [index, sample] of samples.entries()) {
    const delta = timeDeltas[index] ?? 0;
    now += delta;
    const at = now;
    const frame = frames.get(sample);
    if (!frame || frame.functionName === '(idle)' || !windows.some(({ from, to }) => at >= from && at < to)) continue;
    const name = `${frame.functionName || '(anonymous)'} ${placeOf(frame)}`.trim();
    const known = times.get(name) ?? { group: groupOf(frame), time: 0 };
    known.time += delta;
    times.set(name, known);
  }
}

function placeOf({ url, lineNumber }: CallFrame): string {
  const file = url
    .split('/node_modules/')
    .at(-1)
    ?.replace(/^file:\/\/.*?\/(src|gen)\//, '$1/');
  return file ? `${file}:${lineNumber + 1}` : '';
}

/** A package, a folder of the service, `node`, or what V8 does itself, e.g. `(garbage collector)`. */
function groupOf({ url, functionName }: CallFrame): string {
  const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url) ?? [];
  if (name) return name;
  if (url.startsWith('node:')) return 'node';
  const [, own] = /\/((?:src|gen)\/[^/]+)\//.exec(url) ?? [];
  if (own) return own;
  return functionName.startsWith('(') ? functionName : 'V8 and native';
}
