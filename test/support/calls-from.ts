import { type IncomingHttpHeaders, request } from 'node:http';
import type { TestApp } from './test-app.ts';

/** What came back over HTTP. */
export interface JsonAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
  /** Of the error's ErrorInfo; undefined when it succeeded. */
  readonly reason: string | undefined;
}

/** Calls an rpc as Connect JSON from an address of one's own: every address that begins with 127 is this machine. */
export function callFrom(
  { app }: TestApp,
  address: string,
  rpc: string,
  message: object,
  headers: Record<string, string> = {},
): Promise<JsonAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<JsonAnswer>();
  const call = request(
    {
      host: '127.0.0.1',
      port: app.httpPort,
      localAddress: address,
      path: `/${rpc}`,
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      agent: false,
    },
    (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        const body = JSON.parse(text || '{}');
        const info = (body.details ?? []).find(({ type }: { type: string }) => type === 'google.rpc.ErrorInfo');
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, reason: info?.debug?.reason });
      });
    },
  );
  call.on('error', reject);
  call.end(JSON.stringify(message));
  return promise;
}
