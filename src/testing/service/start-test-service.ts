import type { Application } from '../../kernel/service.ts';
import type { TestService, TestServiceOptions } from './test-service.ts';

/**
 * Starts a service as its `app.ts` describes it, with its doors open, on a copy of its migrated database. The embedded cluster is that of
 * the run: see `setUpTestCluster`.
 *
 * ```ts
 * const shop = await startTestService(application);
 * after(() => shop.stop());
 *
 * it('cancels an order', () =>
 *   shop.given(order).as({ roles: ['clerk'] }).when(CommandService.method.cancelOrder, { orderId: order.id }).then({ type: 'OrderCancelled' }));
 * ```
 */
export async function startTestService(application: Application, options: TestServiceOptions = {}): Promise<TestService> {
  // Loaded only here: tests in memory need none of it.
  const { runTestService } = await import('./test-service.ts');
  return await runTestService(application, options);
}
