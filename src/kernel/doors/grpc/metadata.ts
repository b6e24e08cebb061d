import { Metadata } from '@grpc/grpc-js';

/**
 * Metadata as Headers. Binary values (keys in `-bin`) are base64 text there, as in Connect: `decodeBinaryHeader` reads them and
 * `encodeBinaryHeader` makes them.
 */
export function toHeaders(metadata: Metadata): Headers {
  const headers = new Headers();
  for (const [key, value] of Object.entries(metadata.toHttp2Headers())) {
    for (const one of Array.isArray(value) ? value : [value]) headers.append(key, String(one));
  }
  return headers;
}

/** Throws for a value that gRPC cannot carry: printable ASCII only, bytes belong in a `-bin` key. */
export function toMetadata(headers: Iterable<[string, string]>): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of headers) {
    if (!key.endsWith('-bin')) metadata.add(key, value);
    else for (const one of value.split(',')) metadata.add(key, Buffer.from(one.trim(), 'base64'));
  }
  return metadata;
}

/** One value as `toHeaders` would have it. */
export function headerValue(metadata: Metadata, name: string): string | undefined {
  const values = metadata.get(name);
  if (values.length === 0) return undefined;
  return values.map((value) => (typeof value === 'string' ? value : value.toString('base64'))).join(', ');
}
