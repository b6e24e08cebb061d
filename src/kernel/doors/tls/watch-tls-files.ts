import type { Logger } from 'pino';
import { type Loop, loop } from '../../background/loop.ts';
import type { ServerTls, TlsFiles } from './server-tls.ts';

/** How often the files are looked at, in milliseconds. By reading: Kubernetes swaps links, of which a watch of files may tell nothing. */
const LOOK_EVERY = 10_000;

export interface TlsWatch extends Pick<Loop, 'stop'> {
  /** Looks at the files now. Never rejects. */
  readonly renew: () => Promise<void>;
}

/**
 * Has `tls` use the files when they have changed. What cannot be used is told of in one line, and the files of before stay in use.
 *
 * Whoever writes a certificate and its key writes one after the other: a change counts when it is still the same at the next look.
 */
export function watchTlsFiles(
  tls: ServerTls,
  { read, logger, everyMs = LOOK_EVERY }: { read: () => Promise<TlsFiles>; logger: Logger; everyMs?: number },
): TlsWatch {
  let seen = '';
  let refused = '';

  async function look({ isSure }: { isSure: boolean }): Promise<void> {
    let contents = '';
    try {
      const files = await read();
      contents = textOf(files);
      const settled = isSure || contents === seen;
      seen = contents;
      if (tls.has(files)) refused = '';
      else if (settled) {
        tls.renew(files);
        refused = '';
        logger.info({ certificate: tls.certificate }, 'new TLS handshakes use the renewed certificate');
      }
    } catch (error) {
      const problem = `${(error as Error).message} ${contents}`;
      if (problem === refused && !isSure) return;
      refused = problem;
      logger.error(
        { problem: (error as Error).message, certificate: tls.certificate },
        'the files for TLS cannot be used; the earlier files stay in use',
      );
    }
  }

  const looks = loop({ name: 'TLS files', every: everyMs, restsFirst: true, round: () => look({ isSure: false }) });
  return { renew: () => look({ isSure: true }), stop: looks.stop };
}

const textOf = ({ cert, key, clientCa }: TlsFiles): string =>
  Buffer.concat([cert, key, clientCa ?? Buffer.alloc(0)]).toString('latin1');
