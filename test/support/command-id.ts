import { ConnectError } from '@connectrpc/connect';

/** The id that the answer, or the error, names. */
export async function commandIdOf(call: (onHeader: (header: Headers) => void) => Promise<unknown>): Promise<string> {
  let id: string | null = null;
  try {
    await call((header) => {
      id = header.get('cqrs-command-id');
    });
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    id = error.metadata.get('cqrs-command-id');
  }
  if (!id) throw new Error('no command id was answered');
  return id;
}
