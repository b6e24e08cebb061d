import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { connectionByUrl, withSettings } from '../../../src/kernel/database/connection.ts';

/** How `pg` understands a URL. */
function understood(url: string): object | undefined {
  const connection = connectionByUrl(url);
  if (!connection) return undefined;
  const { host, port, user, password, database } = new pg.Client(withSettings(connection, { role: 'reader' }));
  return { host, port, user, password, database };
}

describe('connectionByUrl', () => {
  it('takes a host, as every URL has one', () => {
    const expected = { host: 'db', port: 5433, user: 'ada', password: 'a b', database: 'app' };
    expect(understood('postgresql://ada:a%20b@db:5433/app')).toEqual(expected);
    expect(connectionByUrl('postgres://db/app')).toEqual({ connectionString: 'postgres://db/app' });
  });

  it('takes the folder of a Unix-domain socket instead of a host', () => {
    const expected = { host: '/run/pg', port: 5433, user: 'ada', password: 'a b&c', database: 'app' };
    expect(understood('postgresql://ada:a%20b%26c@/app?host=/run/pg&port=5433')).toEqual(expected);
    expect(understood('postgresql:///app?host=/run/pg&port=5433&user=ada&password=a+b%26c')).toEqual(expected);
  });

  it('takes nothing else', () => {
    for (const text of ['', 'app', 'mysql://db/app', 'https://ada@/app', 'postgresql://a:b@:x/app']) {
      expect(connectionByUrl(text)).toBeUndefined();
    }
  });
});
