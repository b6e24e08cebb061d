import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { clusterForTests } from './cluster.ts';

describe('the cluster that integration tests share', () => {
  it('answers on the primary and on the replica', async () => {
    const { writer, replicas } = clusterForTests();
    const answers = [];
    for (const connection of [writer, ...replicas]) {
      const client = new pg.Client(connection);
      await client.connect();
      const { rows } = await client.query('select current_user as role, pg_is_in_recovery() as replica');
      answers.push(rows[0]);
      await client.end();
    }
    expect(answers).toEqual([
      { role: 'bicameral_writer', replica: false },
      { role: 'bicameral_reader', replica: true },
    ]);
  });

  it('says how to have one when there is none', () => {
    expect(() => clusterForTests({})).toThrow('global-setup.ts');
  });
});
