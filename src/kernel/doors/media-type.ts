import { MIMEType } from 'node:util';

/**
 * The media type of a `content-type`: `type/subtype` in lower case, without its parameters, which can be quoted, stand apart and be
 * unknown here without changing what it is (RFC 9110, 8.3.1). Empty when it is none, or when its text is declared to be other than
 * UTF-8, in which nobody here would read it.
 */
export function mediaType(contentType: string): string {
  try {
    const { essence, params } = new MIMEType(contentType);
    return UTF8.has((params.get('charset') ?? 'utf-8').toLowerCase()) ? essence : '';
  } catch {
    return '';
  }
}

const UTF8: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii']);
