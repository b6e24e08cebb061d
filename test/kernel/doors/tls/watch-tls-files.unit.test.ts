import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { ServerTls, type TlsFiles } from '../../../../src/kernel/doors/tls/server-tls.ts';
import { type TlsWatch, watchTlsFiles } from '../../../../src/kernel/doors/tls/watch-tls-files.ts';
import { certificates } from '../../../support/certificates.ts';
import { eventually } from '../../../support/eventually.ts';

let first: TlsFiles;
let second: TlsFiles;
let files: TlsFiles;
let tls: ServerTls;
let reads: number;
let lines: { level: number; msg: string }[];
let watch: TlsWatch | undefined;

beforeEach(async () => {
  [first, second] = [(await certificates()).server, (await certificates()).server];
  files = first;
  tls = new ServerTls(first);
  reads = 0;
  lines = [];
});
afterEach(() => watch?.stop());

function begin(everyMs: number): TlsWatch {
  const logger = pino({}, { write: (line: string) => lines.push(JSON.parse(line)) });
  const read = async () => {
    reads += 1;
    return files;
  };
  watch = watchTlsFiles(tls, { read, logger, everyMs });
  return watch;
}
/** A time in which the files are looked at some more. */
async function looks(): Promise<void> {
  const before = reads;
  while (reads < before + 4) await delay(1);
}

describe('watchTlsFiles', () => {
  it('takes over files that have changed', async () => {
    begin(1);
    await looks();
    expect(lines).toEqual([]);
    files = second;
    await eventually(() => expect(tls.has(second)).toBe(true));
    await looks();
    expect(lines.map(({ level, msg }) => [level, msg])).toEqual([[30, 'new TLS handshakes use the renewed certificate']]);
  });

  it('says once what cannot be used, and goes on with the files of before', async () => {
    begin(1);
    files = { cert: second.cert, key: first.key };
    await looks();
    expect(tls.has(first)).toBe(true);
    expect(lines.map(({ level }) => level)).toEqual([50]);
    files = second;
    await eventually(() => expect(tls.has(second)).toBe(true));
  });

  it('does not judge a change that is not whole yet', async () => {
    begin(60_000);
    files = { cert: second.cert, key: first.key };
    begin(60_000);
    expect(lines).toEqual([]);
  });

  it('looks at once when asked, and says each time what is wrong', async () => {
    const { renew } = begin(60_000);
    files = { cert: Buffer.from('none'), key: Buffer.from('none') };
    await renew();
    await renew();
    expect(lines.map(({ level }) => level)).toEqual([50, 50]);
    files = second;
    await renew();
    expect(tls.has(second)).toBe(true);
  });
});
