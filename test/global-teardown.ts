import { END_CLUSTER } from './global-setup.ts';

export default async function globalTeardown(): Promise<void> {
  const endCluster: unknown = Reflect.get(globalThis, END_CLUSTER);
  if (typeof endCluster === 'function') await endCluster();
}
