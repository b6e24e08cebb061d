import { once } from 'node:events';
import type { Environment } from '../../kernel/settings.ts';
import type { ServiceProgram } from '../program.ts';
import { serve } from '../serve.ts';
import type { DevReport, DevSetup } from './service-process.ts';

/** `bicameral dev-service`: the service as `dev` runs it. It ends with that process, however that ends. */
export async function devService(program: ServiceProgram, environment: Environment): Promise<void> {
  process.once('disconnect', () => process.exit());
  const [{ connections }] = (await once(process, 'message')) as [DevSetup];
  try {
    await serve(program, environment, {
      ...(connections && { database: { kind: 'lent', connections } }),
      onServing: (welcome) => process.send?.({ welcome } satisfies DevReport),
    });
  } finally {
    // The channel would keep the process.
    process.disconnect?.();
  }
}
