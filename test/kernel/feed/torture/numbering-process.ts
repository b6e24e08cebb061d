/** An instance of which nothing is left but what numbers events. Its connection is in CONNECTION; it ends when it is killed. */
import { pino } from 'pino';
import { createPool } from '../../../../src/kernel/database/pool.ts';
import { startSequencer } from '../../../../src/kernel/feed/sequencer.ts';

const pool = createPool(JSON.parse(process.env.CONNECTION ?? ''), { name: 'sequencer', max: 1, readOnly: false });
startSequencer({ pool, logger: pino({ level: 'silent' }), most: 20, pollMs: 5 });
// What rounds wait for does not keep a process alive, and it ends with the test.
process.stdin.resume();
process.stdin.once('close', () => process.exit());
process.stdout.write('numbering\n');
