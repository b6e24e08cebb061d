import { once } from 'node:events';
import { createServer } from 'node:net';
import { parseAddress } from '../transport/address.ts';

/**
 * The addresses with a free port for each port 0. Workers would agree on one by themselves; but when all are lost at once, those that
 * replace them would listen elsewhere.
 */
export async function settlePorts<Addresses extends readonly string[]>(addresses: readonly [...Addresses]): Promise<Addresses> {
  // All held until the last is had, so that no two are the same.
  const servers = addresses.map(() => createServer());
  const settled = await Promise.all(
    addresses.map(async (address, index) => {
      const { host, port } = parseAddress(address);
      const server = servers[index];
      if (port !== 0 || !server) return address;
      // An address that cannot be had is left to the workers, who say which variable names it.
      await once(server.listen({ host, port }), 'listening').catch(() => {});
      const taken = server.address();
      return taken && typeof taken === 'object' ? address.replace(/:0+$/, `:${taken.port}`) : address;
    }),
  );
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
  return settled as never;
}
