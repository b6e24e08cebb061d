import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contractFolder } from '../../../../src/kernel/contracts/contract-folder.ts';
import { contractPages } from '../../../../src/kernel/doors/connect/contract-pages.ts';
import { createConnectDoor } from '../../../../src/kernel/doors/connect/door.ts';
import { roles } from '../../../../src/roles.ts';
import { conformanceService } from '../../../support/conformance-service.ts';

let foldersMade = 0;
const door = createConnectDoor({
  ...conformanceService(),
  routes: contractPages(() => {
    foldersMade += 1;
    return contractFolder({ roles });
  }),
});
let url = '';
beforeAll(async () => {
  url = `http://127.0.0.1:${await door.listen('127.0.0.1:0')}`;
});
afterAll(() => door.close({ graceMs: 0 }));

const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
  fetch(`${url}${path}`, { headers, method, redirect: 'manual' });

/** As it is written, which `fetch` would tidy up. */
async function statusOf(path: string): Promise<number | undefined> {
  const [answer] = await once(request(url, { path, agent: false }).end(), 'response');
  answer.resume();
  return answer.statusCode;
}

describe('/contracts/', () => {
  it('lists files that can be read, each with its type', async () => {
    const list = await get('/contracts/');
    expect(list.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const paths = [...(await list.text()).matchAll(/<li><a href="([^"]+)">/g)].map(([, path]) => path ?? '');
    expect(paths).toEqual(contractFolder({ roles }).map(({ path }) => path));

    const types = new Map<string, string | null>();
    for (const path of paths) {
      const file = await get(`/contracts/${path}`);
      expect(file.status).toBe(200);
      types.set(path.slice(path.lastIndexOf('.')), file.headers.get('content-type'));
    }
    expect(Object.fromEntries(types)).toEqual({
      '.proto': 'text/plain; charset=utf-8',
      '.md': 'text/markdown; charset=utf-8',
      '.json': 'application/json',
      '.yaml': 'application/yaml',
      '.binpb': 'application/protobuf',
    });
  });

  it('gives the descriptors as bytes, and the document as it is', async () => {
    const set = fromBinary(
      FileDescriptorSetSchema,
      new Uint8Array(await (await get('/contracts/contracts.binpb')).arrayBuffer()),
    );
    expect(set.file.map(({ name }) => name)).toContain('users/v1/command_service.proto');
    expect(await (await get('/contracts/openapi.json')).json()).toHaveProperty('openapi', '3.1.0');
  });

  it('gives the whole folder as one archive', async () => {
    const archive = Buffer.from(await (await get('/contracts.tar.gz')).arrayBuffer());
    const names = execFileSync('tar', ['-tzf', '-'], { input: archive, encoding: 'utf8' }).trim().split('\n');
    expect(names).toEqual(contractFolder({ roles }).map(({ path }) => `contracts/${path}`));
  });

  it.each(['/contracts/', '/contracts/openapi.json', '/contracts.tar.gz'])(
    'does not send %s again to those who have it',
    async (path) => {
      const first = await get(path);
      const etag = first.headers.get('etag') ?? '';
      expect(etag).toMatch(/^"[\w-]{43}"$/);
      for (const tags of [etag, `"other", W/${etag}`, '*']) {
        const again = await get(path, { 'if-none-match': tags });
        expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag]);
      }
      expect((await get(path, { 'if-none-match': '"other"' })).status).toBe(200);
    },
  );

  it('is found without the slash, and read by HEAD', async () => {
    const moved = await get('/contracts');
    expect([moved.status, moved.headers.get('location')]).toEqual([308, '/contracts/']);
    const head = await get('/contracts/README.md', {}, 'HEAD');
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect(Number(head.headers.get('content-length'))).toBe((await (await get('/contracts/README.md')).arrayBuffer()).byteLength);
    expect((await get('/contracts/README.md', {}, 'POST')).status).toBe(405);
  });

  it.each(['nothing.json', 'proto', '../package.json', '%2e%2e/package.json', '..%2f..%2fetc/passwd', '.tar.gz'])(
    'has nothing at %s',
    async (path) => {
      expect(await statusOf(`/contracts/${path}`)).toBe(404);
    },
  );

  it('is made once, whatever is asked for', () => {
    expect(foldersMade).toBe(1);
  });
});
