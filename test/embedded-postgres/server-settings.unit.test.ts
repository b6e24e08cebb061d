import { describe, expect, it } from '@jest/globals';
import { serverSettings, settingArguments } from '../../src/embedded-postgres/server-settings.ts';

const place = { socketDirectory: `/a "b' c\\d`, port: 5433 };

describe('serverSettings', () => {
  it('lets a caller add and change settings, but not where the server listens', () => {
    const settings = serverSettings({
      name: 'primary',
      ...place,
      overrides: { fsync: 'off', jit: 'on', listen_addresses: '*', port: '1' },
    });
    expect(settings).toMatchObject({ fsync: 'off', jit: 'on', listen_addresses: '', port: '5433' });
    expect(settings).not.toHaveProperty('primary_conninfo');
  });

  it('quotes the socket directory for PostgreSQL and for libpq', () => {
    const settings = serverSettings({ name: 'replica', ...place, primaryPort: 5432, overrides: {} });
    expect(settings.unix_socket_directories).toBe(`"/a ""b' c\\d"`);
    expect(settings.primary_conninfo).toContain(`host='/a "b\\' c\\\\d' port=5432`);
  });

  it('becomes arguments of the program', () => {
    expect(settingArguments({ port: '1', listen_addresses: '' })).toEqual(['-c', 'port=1', '-c', 'listen_addresses=']);
  });
});
