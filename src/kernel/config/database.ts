import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { type Connection, connectionByUrl, filesIn } from '../database/connection.ts';
import type { DatabaseConfig } from '../database/open-database.ts';
import { type Environment, type SettingsReader, settingsReader } from '../settings.ts';
import { ConfigError } from './config-error.ts';

/** Where the database is, for what needs to know nothing else: a migration needs no key. Throws ConfigError. */
export function readDatabaseConfig(environment: Environment): DatabaseConfig {
  const { reader, problems } = settingsReader(environment);
  const database = readDatabase(reader);
  if (problems.length > 0) throw new ConfigError(problems);
  return database;
}

export function readDatabase({ text, problem }: SettingsReader): DatabaseConfig {
  const connection = (name: string, url: string): Connection => {
    const known = connectionByUrl(url);
    // The value may hold a password: it is not repeated.
    if (!known) problem(`${name} has to be a URL, e.g. postgresql://user@host:5432/database`);
    for (const [parameter, file] of known ? filesIn(known) : []) {
      try {
        accessSync(file, constants.R_OK);
      } catch (error) {
        problem(`${name}: ${parameter} cannot be read: ${Error.isError(error) ? error.message : error}`);
      }
    }
    return known ?? {};
  };
  const url = text('DATABASE_URL');
  const replicaUrls = (text('DATABASE_REPLICA_URLS') ?? '').split(',').filter((replica) => replica.trim() !== '');
  if (url === undefined) {
    for (const name of ['DATABASE_REPLICA_URLS', 'DATABASE_OWNER_URL']) {
      if (text(name)) problem(`${name} is set, but DATABASE_URL is not`);
    }
    return { kind: 'embedded', dataDir: dataDirOf(text) };
  }
  return {
    kind: 'external',
    owner: connection('DATABASE_OWNER_URL', text('DATABASE_OWNER_URL') ?? url),
    writer: connection('DATABASE_URL', url),
    replicas: replicaUrls.map((replica) => connection('DATABASE_REPLICA_URLS', replica.trim())),
  };
}

/** Where an embedded database is, and keys that are made. */
export const dataDirOf = (text: SettingsReader['text']): string => resolve(text('DATA_DIR') ?? '.data');
