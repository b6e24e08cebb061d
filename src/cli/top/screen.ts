import { styleText } from 'node:util';
import { escapedLine } from '../../kernel/telemetry/escaped-text.ts';
import { cut } from '../full-screen.ts';
import { bytes, seconds } from '../units.ts';
import type { TopView } from './view.ts';

export interface ScreenOptions {
  readonly address: string;
  readonly now: Date;
  readonly columns: number;
  readonly rows: number;
  readonly colors: boolean;
}

/** A view as lines for a terminal. Red is what the service fails at, yellow what comes near a limit. */
export function screenOf(view: TopView, { address, now, columns, rows, colors }: ScreenOptions): string {
  const red = (text: string, isBad: boolean): string =>
    colors && isBad ? styleText('red', text, { validateStream: false }) : text;
  const yellow = (text: string, isNear: boolean): string =>
    colors && isNear ? styleText('yellow', text, { validateStream: false }) : text;
  const bold = (text: string): string => (colors ? styleText('bold', text, { validateStream: false }) : text);

  const { inFlight, databases, log, hashing } = view;
  const gauge = (name: string, { now: under, limit }: { now: number; limit: number }): string =>
    yellow(`${name} ${under}/${limit}`, under > 0.8 * limit);
  const processes = view.processes === 1 ? '1 process' : `${view.processes} processes`;
  const widest = 5 + Math.max(...databases.map(({ name }) => name.length), 0);
  const head = [
    `${bold(`bicameral ${view.version}`)}  ${processes} at ${address}  ${now.toISOString().slice(11, 19)} UTC`,
    '',
    line('in flight', [
      gauge('commands', inFlight.commands),
      gauge('queries', inFlight.queries),
      gauge('streams', inFlight.streams),
      red(`refused ${perSecond(view.shedPerSecond)}`, view.shedPerSecond > 0),
    ]),
    ...databases.map((database, index) =>
      line(index === 0 ? 'databases' : '', [
        red(`${database.name} ${database.isUp ? 'up' : 'AWAY'}`.padEnd(widest), !database.isUp),
        `queries ${perSecond(database.queriesPerSecond)}`.padEnd(14),
        ...(database.lagBytes === undefined ? [] : [`behind ${bytes(database.lagBytes)}, ${seconds(database.lagSeconds ?? 0)}`]),
      ]),
    ),
    line('log', [
      yellow(`unsealed ${count(log.unsealedRecords)}, oldest ${seconds(log.unsealedAgeSeconds)}`, log.unsealedAgeSeconds > 10),
      `sealed ${perSecond(log.sealedPerSecond)}`,
    ]),
    line('waiting', [`for a password to be hashed ${hashing.waiting}`, `for a connection ${view.waitingForConnections}`]),
    line('process', [
      `CPU ${Math.round(100 * view.cpu)} %`,
      `memory ${bytes(view.memoryBytes)}`,
      `event loop p99 ${seconds(view.eventLoopP99Seconds)}`,
    ]),
    '',
  ];

  const busiest = view.rpcs.toSorted(
    (one, other) => other.callsPerSecond - one.callsPerSecond || one.method.localeCompare(other.method),
  );
  const room = Math.max(3, rows - head.length - 2);
  const slowRows = Math.min(view.slowest.length, Math.max(3, Math.floor(room / 3)));
  const shown = busiest.slice(0, Math.max(1, room - (slowRows > 0 ? slowRows + 2 : 0)));
  const width = Math.max(20, ...shown.map(({ method }) => method.length), ...view.slowest.map(({ method }) => method.length));
  const table = [
    bold(`${'rpc'.padEnd(width)}  ${['calls/s', 'errors/s', 'p50', 'p99'].map((heading) => heading.padStart(9)).join('')}`),
    ...shown.map((rpc) => {
      const errors = perSecond(rpc.errorsPerSecond, '').padStart(9);
      const cells = [perSecond(rpc.callsPerSecond, '').padStart(9), red(errors, rpc.faultsPerSecond > 0)];
      const quantiles = [rpc.p50Seconds, rpc.p99Seconds].map((value) => (value === undefined ? '-' : seconds(value)).padStart(9));
      return `${escapedLine(rpc.method).padEnd(width)}  ${[...cells, ...quantiles].join('')}`;
    }),
    ...(shown.length === 0 ? ['no call yet'] : []),
  ];
  const slow = view.slowest.slice(0, slowRows).map(({ method, code, seconds: took, traceId, at }) => {
    const ago = `${Math.max(0, Math.round((now.getTime() - at) / 1000))} s ago`;
    return `${escapedLine(method).padEnd(width)}  ${seconds(took).padStart(9)}  ${code.padEnd(9)} ${ago.padStart(9)}  ${escapedLine(traceId)}`;
  });
  const slowest = slow.length === 0 ? [] : ['', bold('slowest calls of the last minute, with their traces'), ...slow];
  const lines = [...head, ...table, ...slowest];
  return lines.map((text) => cut(text, columns)).join('\n');
}

const line = (name: string, parts: readonly string[]): string => `${name.padEnd(11)}${parts.join('   ')}`.trimEnd();

const perSecond = (rate: number, unit = '/s'): string =>
  `${rate >= 100 || rate === 0 ? Math.round(rate) : rate.toFixed(1)}${unit}`;

const count = (number: number): string => (number >= 100_000 ? '100,000 or more' : String(number));
