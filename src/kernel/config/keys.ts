import { resolve } from 'node:path';
import type { KeySource } from '../auth/key-files.ts';
import type { DatabaseConfig } from '../database/open-database.ts';
import type { SettingsReader } from '../settings.ts';
import { dataDirOf } from './database.ts';

/** `database`: instances that share one share their keys. */
export function readKeySource({ text, problem }: SettingsReader, database: DatabaseConfig): KeySource {
  const folder = text('AUTH_SIGNING_KEYS');
  const file = text('AUTH_SIGNING_KEY_FILE');
  if (folder !== undefined && file !== undefined)
    problem(
      'AUTH_SIGNING_KEYS and AUTH_SIGNING_KEY_FILE are both set: put all keys into the folder, and set only AUTH_SIGNING_KEYS',
    );
  if (folder !== undefined) return { kind: 'folder', folder: resolve(folder), create: false };
  if (file !== undefined) return { kind: 'file', file: resolve(file) };
  if (database.kind === 'external')
    problem(
      'AUTH_SIGNING_KEYS is not set; with DATABASE_URL it has to name a folder with the keys that all instances share, or AUTH_SIGNING_KEY_FILE one Ed25519 key (PKCS#8 PEM)',
    );
  return { kind: 'folder', folder: dataDirOf(text), create: true };
}
