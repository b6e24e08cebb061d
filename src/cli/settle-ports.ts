import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Config } from '../kernel/config.ts';
import { parseAddress } from '../kernel/doors/address.ts';

type Addresses = Pick<Config, 'grpcAddress' | 'httpAddress' | 'healthAddress'>;

/**
 * The addresses with a free port for each port 0. Workers would agree on one by themselves; but when all are lost at once, those that
 * replace them would listen elsewhere.
 */
export async function settlePorts({ grpcAddress, httpAddress, healthAddress }: Addresses): Promise<Addresses> {
  // All held until the last is had, so that no two are the same.
  const held = new AsyncDisposableStack();
  const settle = async (address: string): Promise<string> => {
    const { host, port } = parseAddress(address);
    if (port !== 0) return address;
    const server = held.use(createServer());
    // An address that cannot be had is left to the workers, who say which variable names it.
    await once(server.listen({ host, port }), 'listening').catch(() => {});
    const taken = server.address();
    return taken && typeof taken === 'object' ? address.replace(/:0+$/, `:${taken.port}`) : address;
  };
  try {
    return {
      grpcAddress: await settle(grpcAddress),
      httpAddress: await settle(httpAddress),
      healthAddress: healthAddress === undefined ? undefined : await settle(healthAddress),
    };
  } finally {
    await held.disposeAsync();
  }
}
