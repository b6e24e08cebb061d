import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';

const logger = new URL('../../../src/kernel/telemetry/logger.ts', import.meta.url);
const start = `const { createLogger } = await import('${logger}'); const logger = await createLogger({ level: 'info', pretty: false });`;

/** A program that logs to `stdout` until it is told to stop on its standard input, and says on standard error how it is. */
const program = (body: string, stdout: 'pipe' | number = 'pipe') => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${start} ${body}`], {
    env: { PATH: process.env.PATH },
    stdio: ['pipe', stdout, 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said += chunk;
  });
  return { child, said: () => said, closed: once(child, 'close') };
};

const FOR_EVER = `
  let n = 0;
  setInterval(() => logger.info({ n: n++, text: 'x'.repeat(2000) }, 'call'), 1);
  setInterval(() => process.stderr.write('alive '), 50);
  process.stdin.once('data', () => { logger.info('stopped'); process.exit(0); });`;

const aliveAgain = async (said: () => string): Promise<void> => {
  const before = said().length;
  await eventually(() => expect(said().length).toBeGreaterThan(before + 20));
};

describe('the log', () => {
  it('of a program whose reader goes away costs lines, and the program goes on and ends', async () => {
    const { child, said, closed } = program(FOR_EVER);
    if (child.stdout) await once(child.stdout, 'data');
    child.stdout?.destroy();
    await aliveAgain(said);
    child.stdin?.write('stop');
    expect(await closed).toEqual([0, null]);
  });

  it('ends with the program though its reader had gone before the last line', async () => {
    const { child, closed } = program(`
      process.stdin.once('data', () => { logger.info('stopped'); process.exit(0); });
      logger.info('started');`);
    if (child.stdout) await once(child.stdout, 'data');
    child.stdout?.destroy();
    await once(child.stdout ?? child, 'close');
    child.stdin?.write('stop');
    expect(await closed).toEqual([0, null]);
  });

  it('on a full disk costs lines, and the program goes on and ends', async () => {
    const { child, said, closed } = program(FOR_EVER, openSync('/dev/full', 'w'));
    await aliveAgain(said);
    child.stdin?.write('stop');
    expect(await closed).toEqual([0, null]);
  });

  describe('on a disk that was full for a while', () => {
    const LIMIT = 8192;
    const FULL = `
      let n = 0;
      const log = (count) => { for (let line = 0; line < count; line++) logger.info({ n: n++, text: 'x'.repeat(60) }, 'call'); };
      setInterval(() => process.stderr.write('alive '), 50);
      process.stdin.on('data', (data) => {
        for (const count of String(data).trim().split(' ')) { if (count === 'stop') process.exit(0); else log(Number(count)); }
      });`;

    /** A program whose log has room for so many bytes, and again so many each time it is emptied. */
    function limited(folder: string) {
      const file = join(folder, 'log');
      const script = `ulimit -f ${LIMIT / 1024}; exec "$0" "$@"`;
      const command = ['-c', script, process.execPath, '--input-type=module', '-e', `${start} ${FULL}`];
      const child = spawn('bash', command, { env: { PATH: process.env.PATH }, stdio: ['pipe', openSync(file, 'a'), 'pipe'] });
      let said = '';
      child.stderr?.on('data', (chunk) => {
        said += chunk;
      });
      let text = '';
      return {
        say: (words: string) => child.stdin?.write(`${words} `),
        isFull: () => eventually(() => expect(statSync(file).size).toBe(LIMIT)),
        goesOn: () => aliveAgain(() => said),
        /** What was written until now is kept, and gives room. */
        empty: () => {
          text += readFileSync(file, 'utf8');
          truncateSync(file);
        },
        closed: once(child, 'close'),
        lines: () => (text + readFileSync(file, 'utf8')).trimEnd().split('\n'),
      };
    }

    /** All lines that were logged are there or told to be lost, and nothing is mixed with anything. */
    function expectWhole(lines: readonly string[], logged: number): void {
      let found = 0;
      let lost = 0;
      let broken = 0;
      for (const line of lines) {
        if (line.endsWith('"msg":"call"}')) found += Number(JSON.parse(line).msg === 'call');
        else if (line.endsWith('were lost"}')) lost += JSON.parse(line).lost;
        else broken += 1;
      }
      expect([found + lost, broken]).toEqual([logged, 1]);
      expect(lost).toBeGreaterThan(0);
    }

    it('tells of every line that is missing, on a line of its own, when there is room again', async () => {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'bicameral-log-'));
      const program = limited(folder.path);
      program.say('1000');
      await program.isFull();
      // Notices that nobody reads.
      for (let round = 0; round < 3; round += 1) {
        program.say('3');
        await program.goesOn();
      }
      program.empty();
      program.say('2 stop');
      expect(await program.closed).toEqual([0, null]);
      expectWhole(program.lines(), 1011);
      expect(program.lines().at(-1)).toContain('"n":1010');
    });

    it('tells of them at the end of the program at the latest', async () => {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'bicameral-log-'));
      const program = limited(folder.path);
      program.say('1000');
      await program.isFull();
      await program.goesOn();
      program.empty();
      program.say('stop');
      expect(await program.closed).toEqual([0, null]);
      expectWhole(program.lines(), 1000);
    });
  });

  it('of a reader that takes nothing is dropped from a bound on, and the reader is told how much', async () => {
    const { child, said } = program(`
      let n = 0;
      setInterval(() => { for (let line = 0; line < 100; line++) logger.info({ n: n++, text: 'x'.repeat(10_000) }, 'call'); }, 1);
      setInterval(() => process.stderr.write(Math.round(process.memoryUsage().rss / 1024 / 1024) + ' ' + n + '\\n'), 50);`);
    child.stdout?.pause();
    const seen = () => (said().trim().split('\n').at(-1) ?? '').split(' ').map(Number);
    // 400 MB were logged.
    await eventually(() => expect(seen()[1]).toBeGreaterThan(40_000));
    expect(seen()[0]).toBeLessThan(250);
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
    });
    child.stdout?.resume();
    await eventually(() => expect(text).toMatch(/"lost":\d+,"msg":"lines of the log were lost"/));
    child.kill('SIGKILL');
  });
});
