import pg from 'pg';
import { startEmbeddedCluster } from '../../src/embedded-postgres/start-embedded-cluster.ts';

// A program for tests to kill: runs a cluster in the directory it is given, and writes rows to it from four connections.
// Its output is the pids of the two servers, then the number of each row that was acknowledged, a line each.
const [dataDir = ''] = process.argv.slice(2);
const cluster = await startEmbeddedCluster({ dataDir });
process.stdout.write(`servers ${await cluster.primary.pid()} ${await cluster.replica?.pid()}\n`);

const pool = new pg.Pool({ ...cluster.connections.superuser, max: 4 });
pool.on('error', () => {});
await pool.query('create table if not exists acknowledged (n bigint primary key, padding text)');
let n = 0;
const writeForEver = async () => {
  for (;;) {
    n += 1;
    const mine = n;
    await pool.query('insert into acknowledged values ($1, $2)', [mine, 'x'.repeat(500)]);
    process.stdout.write(`${mine}\n`);
  }
};
await Promise.all([1, 2, 3, 4].map(writeForEver)).catch(() => {});
