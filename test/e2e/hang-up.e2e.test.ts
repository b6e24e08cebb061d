import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { certificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { childrenOf, isAlive, processesIn, signalAll } from '../support/processes.ts';
import { startService } from '../support/service.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');

describe('SIGHUP', () => {
  it.each([1, 2])(
    'has %i workers use a renewed certificate, and never ends the program',
    async (workers) => {
      await using resources = new AsyncDisposableStack();
      const folder = resources.use(temporaryDataDir()).path;
      await mkdir(folder);
      const [before, after] = [await certificates(), await certificates()];
      const put = async (name: string, text: Buffer | string): Promise<void> => {
        await writeFile(join(folder, `${name}.new`), text);
        await rename(join(folder, `${name}.new`), join(folder, name));
      };
      await put('cert.pem', before.server.cert);
      await put('key.pem', before.server.key);
      await chmod(join(folder, 'key.pem'), 0o644);
      const tls = { TLS_CERT_FILE: join(folder, 'cert.pem'), TLS_KEY_FILE: join(folder, 'key.pem') };
      const service = resources.use(await startService({ env: { ...tls, WORKERS: String(workers) } }));
      const doors = [service.grpcAddress, service.httpAddress];
      const accepted = async (ca: Buffer): Promise<boolean[]> =>
        // Each worker in turn.
        await Promise.all([...doors, ...doors].map((address) => isTrusted(address, ca)));
      expect(await accepted(before.ca)).toEqual([true, true, true, true]);
      const warning = `TLS_KEY_FILE: ${tls.TLS_KEY_FILE} can be read or changed by others (mode 0644)`;
      await eventually(() => expect(service.log().split(warning)).toHaveLength(workers + 1));

      await put('cert.pem', 'no certificate');
      process.kill(service.pid, 'SIGHUP');
      await eventually(() => expect(service.log().match(/the earlier files stay in use/g)).toHaveLength(workers));
      expect(await accepted(before.ca)).toEqual([true, true, true, true]);

      await put('key.pem', after.server.key);
      await put('cert.pem', after.server.cert);
      process.kill(service.pid, 'SIGHUP');
      await eventually(async () => expect(await accepted(after.ca)).toEqual([true, true, true, true]));
      expect(await accepted(before.ca)).toEqual([false, false, false, false]);
      await eventually(() => expect(service.log().match(/use the renewed certificate/g)).toHaveLength(workers));
      expect(await service.stop()).toBe(0);
    },
    120_000,
  );
});

describe('a terminal that goes away', () => {
  it('ends the service in order', async () => {
    await using dataDir = temporaryDataDir();
    // `script` has a terminal of its own for the program, and the terminal goes when `script` is killed.
    const env = {
      ...process.env,
      NODE_OPTIONS: '',
      DATA_DIR: dataDir.path,
      GRPC_ADDRESS: '127.0.0.1:0',
      HTTP_ADDRESS: '127.0.0.1:0',
    };
    const command = `exec ${process.execPath} ${MAIN} serve`;
    const terminal = spawn('script', ['-qec', command, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    let text = '';
    terminal.stdout.on('data', (chunk) => {
      text += chunk;
    });
    await eventually(() => expect(text).toContain('is serving'));
    const home = realpathSync(join(dataDir.path, 'postgres'));
    const [service = 0] = childrenOf(terminal.pid ?? 0, 'main.ts');
    expect(isAlive(service)).toBe(true);

    try {
      terminal.kill('SIGKILL');
      await once(terminal, 'exit');
      await eventually(() => expect([isAlive(service), processesIn(home)]).toEqual([false, []]));
    } finally {
      signalAll([service, ...processesIn(home)], 'SIGKILL');
    }
  }, 120_000);
});

function isTrusted(address: string, ca: Buffer): Promise<boolean> {
  const [host = '', port] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), ca, ALPNProtocols: ['h2'] });
    socket.on('secureConnect', () => {
      resolve(true);
      socket.destroy();
    });
    socket.on('error', () => resolve(false));
  });
}
