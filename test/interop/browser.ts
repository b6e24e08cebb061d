import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { text } from 'node:stream/consumers';
import { Failed, run } from './tool.ts';

const NAMES = ['chromium', 'google-chrome'];

/** The name under which this machine has Chromium. Throws `Failed`. */
export async function findChromium(): Promise<string> {
  for (const name of NAMES) {
    const found = await run(name, ['--version']).catch(() => undefined);
    if (found) return name;
  }
  throw new Failed(NAMES.join(' or '), { code: 'ENOENT' });
}

/** A server of a page's files, and so an origin. */
export interface Site extends AsyncDisposable {
  readonly origin: string;
  /** What the page has said to its console so far, and the error that it did not catch: a line each. */
  readonly told: () => string;
}

/** Hands what the page says to its server, all of it each time: requests can overtake one another. */
const REPORT = `<script>
  let told = '';
  const tell = (...words) => fetch('/told', { method: 'POST', body: told += words.join(' ') + '\\n' });
  console.log = tell;
  addEventListener('error', ({ message }) => tell(message));
</script>
`;

/** Serves a folder on a port of its own. */
export async function startSite(folder: string): Promise<Site> {
  let told = '';
  const server = createServer(async (request, response) => {
    if (request.method === 'POST') {
      const more = await text(request);
      if (more.length > told.length) told = more;
      response.end();
      return;
    }
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const path = pathname === '/' ? '/index.html' : normalize(pathname);
    const file = await readFile(join(folder, path), 'utf8').catch(() => undefined);
    if (file === undefined) response.writeHead(404).end();
    else if (path === '/index.html') response.setHeader('content-type', 'text/html; charset=utf-8').end(REPORT + file);
    else response.setHeader('content-type', 'text/javascript').end(file);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    told: () => told,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Opens a page in a browser of its own, that has never been anywhere. Its end closes the browser. */
export async function openPage(chromium: string, url: string): Promise<AsyncDisposable> {
  const profile = await mkdtemp(join(tmpdir(), 'bicameral-chromium-'));
  const quiet = ['no-first-run', 'disable-background-networking', 'disable-component-update', 'disable-sync', 'disable-quic'];
  const options = ['headless', 'no-sandbox', 'disable-gpu', 'remote-debugging-port=0', ...quiet, `user-data-dir=${profile}`];
  const browser = spawn(chromium, [...options.map((option) => `--${option}`), url], { stdio: 'ignore' });
  const closed = once(browser, 'close');
  return {
    async [Symbol.asyncDispose]() {
      browser.kill();
      await closed;
      await rm(profile, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
