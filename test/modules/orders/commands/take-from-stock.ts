import { err, ok, type Result } from 'neverthrow';
import { type OutOfStock, ProductNotFound } from '../domain/order-errors.ts';
import type { Orders } from '../domain/orders.ts';
import type { Product } from '../domain/product.ts';

/** Takes a quantity of a product from its stock, and answers the product. */
export async function takeFromStock(
  { productId, quantity }: { readonly productId: string; readonly quantity: number },
  orders: Orders,
): Promise<Result<{ product: Product; quantity: number }, ProductNotFound | OutOfStock>> {
  const product = await orders.product(productId);
  const stock = await orders.stock(productId);
  if (!product || !stock) return err(new ProductNotFound(productId));
  const taken = stock.take(quantity);
  return taken.isErr() ? err(taken.error) : ok({ product, quantity });
}
