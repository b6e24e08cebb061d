import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { certificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { startService } from '../support/service.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';

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
      const tls = { TLS_CERT_FILE: join(folder, 'cert.pem'), TLS_KEY_FILE: join(folder, 'key.pem') };
      const service = resources.use(await startService({ env: { ...tls, WORKERS: String(workers) } }));
      const doors = [service.grpcAddress, service.httpAddress];
      const accepted = async (ca: Buffer): Promise<boolean[]> =>
        // Each worker in turn.
        await Promise.all([...doors, ...doors].map((address) => isTrusted(address, ca)));
      expect(await accepted(before.ca)).toEqual([true, true, true, true]);

      await put('cert.pem', 'no certificate');
      process.kill(service.pid, 'SIGHUP');
      await eventually(() => expect(service.log().match(/those of before stay in use/g)).toHaveLength(workers));
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
