import { once } from 'node:events';
import { createServer } from 'node:net';
import { parseAddress } from '../transport/address.ts';

/**
 * The addresses with a free port for each port 0. Workers would agree on one by themselves; but when all are lost at once, those that
 * replace them would listen elsewhere.
 */
export async function settlePorts<Addresses extends readonly string[]>(addresses: readonly [...Addresses]): Promise<Addresses> {
  await using held = new AsyncDisposableStack();
  const settled: string[] = [];
  for (const address of addresses) {
    const { host, port } = parseAddress(address);
    const server = held.use(createServer());
    if (port === 0) await once(server.listen({ host, port }), 'listening').catch(() => {});
    // An address that cannot be had is left to the workers, who say which variable names it.
    const taken = server.address();
    settled.push(taken && typeof taken === 'object' ? address.replace(/:0+$/, `:${taken.port}`) : address);
  }
  return settled as never;
}
