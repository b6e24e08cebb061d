import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { describe, expect, it } from '@jest/globals';

const TEST = 'test/kernel/bus/page-token.unit.test.ts';
const WITHOUT_OPTIONS = { ...process.env, NODE_OPTIONS: '' };

interface Told {
  readonly id?: number;
  readonly method?: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** A debugger as editors have one: it sends commands and hears what happens. */
class Debugger {
  readonly #socket: WebSocket;
  readonly #told: Told[] = [];
  #heard = Promise.withResolvers<void>();
  #sent = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      this.#told.push(JSON.parse(String(data)));
      this.#heard.resolve();
      this.#heard = Promise.withResolvers();
    });
  }

  static async attach(url: string): Promise<Debugger> {
    const socket = new WebSocket(url);
    await once(socket, 'open');
    return new Debugger(socket);
  }

  send(method: string, params: object = {}): void {
    this.#sent += 1;
    this.#socket.send(JSON.stringify({ id: this.#sent, method, params }));
  }

  /** The next event, of all that were heard and not taken yet, that fits. */
  async event(method: string, fits: (params: Told['params']) => boolean = () => true): Promise<Told['params']> {
    for (;;) {
      const at = this.#told.findIndex((told) => told.method === method && fits(told.params));
      const [found] = at < 0 ? [] : this.#told.splice(at, 1);
      if (found) return found.params;
      await this.#heard.promise;
    }
  }

  /** The pause that fits; from the others before it the program goes on. */
  async pauses(fits: (params: Told['params']) => boolean): Promise<Told['params']> {
    for (;;) {
      const pause = await this.event('Debugger.paused');
      if (fits(pause)) return pause;
      this.send('Debugger.resume');
    }
  }

  close(): void {
    this.#socket.close();
  }
}

async function output(command: string, environment: NodeJS.ProcessEnv): Promise<{ code: number | null; text: string }> {
  const child = spawn('sh', ['-c', command], { env: environment });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += chunk;
    });
  }
  const [code] = await once(child, 'close');
  return { code, text };
}

describe('tests under a debugger', () => {
  it('stop at a breakpoint in their source, which the source map finds', async () => {
    const environment = { ...WITHOUT_OPTIONS, DEBUGGER_ADDRESS: '127.0.0.1:0' };
    const tests = spawn('npm', ['run', 'test:debug', '--', TEST, '--no-cache'], { env: environment, detached: true });
    try {
      tests.stdout.resume();
      let said = '';
      while (!said.includes('listening on')) said += await once(tests.stderr, 'data');
      const [, url = ''] = /listening on (ws:\S+)/.exec(said) ?? [];
      const inspector = await Debugger.attach(url);
      inspector.send('Debugger.enable');
      inspector.send('Runtime.runIfWaitingForDebugger');
      await inspector.event('Debugger.paused');
      // The test waits before it runs: otherwise it could be through before the breakpoint is set.
      inspector.send('Debugger.setInstrumentationBreakpoint', { instrumentation: 'beforeScriptWithSourceMapExecution' });
      inspector.send('Debugger.resume');

      const isTest = ({ url }: Told['params']): boolean => String(url).endsWith(TEST);
      await inspector.pauses(({ data }) => isTest((data ?? {}) as Told['params']));
      const script = await inspector.event('Debugger.scriptParsed', isTest);
      const [, payload = ''] = String(script.sourceMapURL).split('base64,');
      const map = new SourceMap(JSON.parse(Buffer.from(payload, 'base64').toString()));
      const source = readFileSync(TEST, 'utf8').split('\n');
      const wanted = source.findIndex((line) => line.includes('expect('));
      const mapped = Array.from({ length: Number(script.endLine) }, (_, line) => map.findEntry(line, 0));
      const lineNumber = mapped.findIndex((entry) => 'originalLine' in entry && entry.originalLine === wanted);
      expect(lineNumber).toBeGreaterThan(0);
      inspector.send('Debugger.setBreakpoint', { location: { scriptId: script.scriptId, lineNumber } });
      inspector.send('Debugger.resume');

      const { callFrames } = await inspector.pauses(({ reason }) => reason !== 'instrumentation');
      const [innermost] = callFrames as readonly object[];
      expect(innermost).toMatchObject({ location: { scriptId: script.scriptId, lineNumber } });
      inspector.close();
    } finally {
      if (tests.pid) process.kill(-tests.pid, 'SIGKILL');
    }
  });

  it('are not begun with the debugger in npm: what to do instead is said', async () => {
    const { code, text } = await output(`npm test -- ${TEST}`, { ...WITHOUT_OPTIONS, NODE_OPTIONS: '--inspect=127.0.0.1:0' });
    expect(code).toBe(1);
    expect(text).toContain('npm run test:debug -- PATH');
  });
});

describe('npx jest', () => {
  it('needs no flags', async () => {
    expect(await output(`npx jest ${TEST}`, WITHOUT_OPTIONS)).toMatchObject({ code: 0 });
  });
});
