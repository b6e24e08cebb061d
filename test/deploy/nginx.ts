import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { available, run, type Tool } from '../interop/tool.ts';
import { PATIENCE } from '../support/patience.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';

/** Debian's package nginx-light has it. */
export const nginxTool: Tool = await available(async () => {
  await run('nginx', ['-v']);
  return '';
});

/** An nginx of the test's own, with the configuration of deploy/nginx, in front of a service. */
export interface Nginx extends AsyncDisposable {
  readonly origin: string;
  /** The files that it keeps answers in. */
  readonly kept: () => readonly Buffer[];
}

export async function startNginx(service: string): Promise<Nginx> {
  await using resources = new AsyncDisposableStack();
  const folder = resources.use(temporaryDataDir()).path;
  mkdirSync(folder);
  chmodSync(folder, 0o711);
  const port = await freePort();
  const conf = readFileSync('deploy/nginx/bicameral.conf', 'utf8')
    .replace('/var/cache/nginx/bicameral', `${folder}/cache`)
    .replace('server 127.0.0.1:8080;', `server ${service};`)
    .replace('listen 80;', `listen 127.0.0.1:${port};`);
  writeFileSync(join(folder, 'bicameral.conf'), conf);
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${user} daemon off; pid ${folder}/nginx.pid; events {} http { access_log off; ${places.join(' ')} include ${folder}/bicameral.conf; }`,
  );
  const child = spawn('nginx', ['-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    log += chunk;
  });
  const ended = once(child, 'close');
  resources.defer(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  const origin = `http://127.0.0.1:${port}`;
  const end = Date.now() + PATIENCE;
  for (;;) {
    const response = await fetch(`${origin}/healthz`).catch(() => undefined);
    if (response) break;
    if (child.exitCode !== null || Date.now() > end) throw new Error(`nginx does not start: ${log}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const owned = resources.move();
  return {
    origin,
    kept: () =>
      readdirSync(join(folder, 'cache'), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name))),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
