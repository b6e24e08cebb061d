import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';

/** Runs a program that logs, because the logger writes to the standard output of the process. */
async function output(options: { level: string; pretty: boolean; pid?: number }, program: string): Promise<string> {
  const logger = new URL('../../../src/kernel/telemetry/logger.ts', import.meta.url);
  const code = `import { createLogger } from '${logger}'; const logger = await createLogger(${JSON.stringify(options)}); ${program}`;
  const env = { PATH: process.env.PATH };
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { env });
  return stdout;
}

describe('logger', () => {
  it('writes JSON lines, the last ones before the process exits', async () => {
    const lines = (
      await output(
        { level: 'info', pretty: false },
        'for (let n = 0; n < 1000; n++) logger.info({ n }, "call"); process.exit(0);',
      )
    )
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(1000);
    expect(lines[999]).toEqual({ level: 'info', time: expect.any(Number), n: 999, msg: 'call' });
  });

  it('names the process where several write, in pieces that a pipe takes whole', async () => {
    const text = await output(
      { level: 'info', pretty: false, pid: 7 },
      'for (let n = 0; n < 1000; n++) logger.info({ n }, "call");',
    );
    const lines = text.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).n)).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ pid: 7 });
  });

  it('leaves out what is below its level', async () => {
    expect(await output({ level: 'warn', pretty: false }, 'logger.info("no"); logger.warn("yes");')).not.toContain('no');
  });

  it('writes a call as one line for people', async () => {
    const call = '{ method: "users.v1.QueryService/GetUser", code: "NOT_FOUND", duration_ms: 1.5, reason: "USER_NOT_FOUND" }';
    const text = await output({ level: 'info', pretty: true }, `logger.info(${call}, "call"); logger.info("started");`);
    const lines = text.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/INFO.*users\.v1\.QueryService\/GetUser NOT_FOUND 1\.5 ms.*USER_NOT_FOUND/);
    expect(lines[1]).toMatch(/INFO.*started/);
  });

  it('lets nothing in a JSON line command the terminal that shows it, and keeps what it says', async () => {
    const text = 'x\u001b[2J\u009b31mada\u202e\u007f\u2028 José';
    const written = await output({ level: 'info', pretty: false }, `logger.info({ text: ${JSON.stringify(text)} }, "call");`);
    expect(written).toContain('\\u009b31mada\\u202e\\u007f\\u2028 José');
    expect(written.trimEnd()).not.toMatch(/[\p{Cc}\u2028\u202e]/u);
    expect(JSON.parse(written).text).toBe(text);
  });

  it('lets nothing in a line for people command the terminal or begin a line', async () => {
    const hostile = '{ principal: "\\u009b31mada\\u202e", method: "x\\u001b[2J", code: "OK", duration_ms: 1 }';
    const text = await output({ level: 'info', pretty: true }, `logger.info(${hostile}, "a\\nb\\u0085c");`);
    expect(text.trimEnd().split('\n')).toHaveLength(1);
    expect(text).toContain('x\\u001b[2J OK 1 ms a\\nb\\u0085c');
    expect(text).toContain('\\u009b31mada\\u202e');
    expect(text).not.toMatch(/[\u0080-\u009f\u202e]/);
  });
});
