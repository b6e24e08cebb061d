import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.ts';

const logger = new URL('../../src/telemetry/logger.ts', import.meta.url);
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
