import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Name } from './name.ts';

/** The beginning of a migration's name: now in UTC, `20261130093000`, and behind every migration that is there. */
export function stampAfter(root: string, now: Date): string {
  const own = stampOf(now);
  const last = migrationStamps(join(root, 'src')).sort().at(-1) ?? '';
  return own > last ? own : secondsLater(last, 1);
}

/** Migrations run in the order of their names. */
export function secondsLater(stamp: string, seconds: number): string {
  const [, date, hours, minutes, rest] = /^(\d{8})(\d\d)(\d\d)(\d\d)$/.exec(stamp) ?? [];
  const day = date?.replace(/(\d{4})(\d\d)(\d\d)/, '$1-$2-$3');
  return stampOf(new Date(Date.parse(`${day}T${hours}:${minutes}:${rest}Z`) + seconds * 1000));
}

/** What the migrations of a module are called, without their times. */
export function migrationNames(root: string, module: Name): string[] {
  const folder = join(root, 'src/modules', module.snake, 'migrations');
  return existsSync(folder) ? readdirSync(folder).map((file) => file.replace(/^\d{14}-|\.ts$/g, '')) : [];
}

const stampOf = (time: Date): string => time.toISOString().replace(/\D/g, '').slice(0, 14);

function migrationStamps(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /(^|\/)migrations\/\d{14}-[^/]*\.ts$/.test(path))
    .map((path) => basename(path).slice(0, 14));
}
