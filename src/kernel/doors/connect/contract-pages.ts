import { createHash } from 'node:crypto';
import { extname } from 'node:path';
import { gzipSync } from 'node:zlib';
import { errorToJson } from '@connectrpc/connect/protocol-connect';
import type { FolderFile } from '../../contracts/contract-folder.ts';
import { tar } from '../../contracts/tar.ts';
import { unknownPage } from '../refusal.ts';
import type { HttpAnswer, HttpRoute } from './http-route.ts';

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.proto': 'text/plain; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.json': 'application/json',
  '.yaml': 'application/yaml',
  '.binpb': 'application/protobuf',
};

const FOLDER = '/contracts/';
const ARCHIVE = '/contracts.tar.gz';

interface Page {
  readonly mediaType: string;
  readonly body: Buffer;
  readonly etag: string;
}

/**
 * The folder of the contracts, for those who write clients: a list at /contracts/, each file below it, and all of them at
 * /contracts.tar.gz. They are what `npm run contracts` makes. A page is made when it is first asked for, and kept.
 */
export function contractPages(folder: () => readonly FolderFile[]): readonly HttpRoute[] {
  const pages = new Map<string, Page>();
  let files: ReadonlyMap<string, FolderFile> | undefined;

  function listed(): ReadonlyMap<string, FolderFile> {
    files ??= new Map(folder().map((file) => [file.path, file]));
    return files;
  }

  /** By the path of the address. */
  function kept(path: string, make: () => Omit<Page, 'etag'>): Page {
    let page = pages.get(path);
    if (!page) {
      const made = make();
      page = { ...made, etag: `"${createHash('sha256').update(made.body).digest('base64url')}"` };
      pages.set(path, page);
    }
    return page;
  }

  function pageAt(path: string): Page | undefined {
    if (path === ARCHIVE) return kept(path, () => ({ mediaType: 'application/gzip', body: archiveOf([...listed().values()]) }));
    if (path === FOLDER) return kept(path, () => ({ mediaType: 'text/html; charset=utf-8', body: listOf([...listed().keys()]) }));
    const file = listed().get(path.slice(FOLDER.length));
    return (
      file && kept(path, () => ({ mediaType: MEDIA_TYPES[extname(path)] ?? 'text/plain', body: Buffer.from(file.content()) }))
    );
  }

  const handle: HttpRoute['handle'] = (request) => {
    const [path = ''] = (request.url ?? '').split('?', 1);
    const page = pageAt(path);
    if (!page) return { status: 404, body: errorToJson(unknownPage(`${FOLDER} lists them`), undefined) };
    return answer(page, request.headers['if-none-match']);
  };
  return [
    { path: FOLDER.slice(0, -1), handle: () => ({ status: 308, body: Buffer.alloc(0), headers: { location: FOLDER } }) },
    { path: FOLDER, isPrefix: true, handle },
    { path: ARCHIVE, handle },
  ];
}

/** A version of the service has its files, so they are asked for again and answered by 304 while they are the same (RFC 9110, 13.1.2). */
function answer({ mediaType, body, etag }: Page, ifNoneMatch: string | undefined): HttpAnswer {
  const headers = { 'content-type': mediaType, 'cache-control': 'no-cache', etag };
  const known = ifNoneMatch?.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (known?.includes(etag) || ifNoneMatch?.trim() === '*') return { status: 304, body: Buffer.alloc(0), headers };
  return { status: 200, body, headers };
}

function archiveOf(files: readonly FolderFile[]): Buffer {
  return gzipSync(tar(files.map(({ path, content }) => ({ path: `contracts/${path}`, content: Buffer.from(content()) }))));
}

function listOf(paths: readonly string[]): Buffer {
  const items = paths.map((path) => `<li><a href="${path}">${path}</a></li>`);
  return Buffer.from(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Contracts</title>
<h1>Contracts</h1>
<p>All that a client in any language starts from. The whole folder: <a href="${ARCHIVE}">${ARCHIVE.slice(1)}</a></p>
<ul>
${items.join('\n')}
</ul>
</html>
`);
}
