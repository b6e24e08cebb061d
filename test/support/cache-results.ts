import type { TestApp } from './test-app.ts';

/** How often queries of an rpc found their answers in which way, so far: `hit`, `shared`, `miss`, `stale`. */
export async function cacheResults(app: TestApp, method: string): Promise<Readonly<Record<string, number>>> {
  const { metrics } = await app.app.metrics();
  const values = metrics.find(({ name }) => name === 'cqrs_query_cache_total')?.values ?? [];
  return Object.fromEntries(
    values.filter(({ labels }) => labels.method === method).map(({ labels, value }) => [String(labels.result), value]),
  );
}
