import { isatty } from 'node:tty';

/**
 * SIGHUP has two meanings. An operator, or a tool that has renewed a certificate, asks for files to be read again: `reload` is called.
 * Or the terminal that the program was started on is gone: the promise resolves. It never ends the program by itself.
 */
export function hangUp(reload: () => void): Promise<NodeJS.Signals> {
  const terminals = [0, 1, 2].filter((descriptor) => isatty(descriptor));
  return new Promise((resolve) => {
    process.on('SIGHUP', (signal) => {
      if (terminals.some((descriptor) => !isatty(descriptor))) resolve(signal);
      else reload();
    });
  });
}
