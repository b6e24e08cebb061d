import { PATIENCE } from './patience.ts';

/** Runs the expectation until it holds; throws its last failure when the patience is at its end. */
export async function eventually(expectation: () => void | Promise<void>): Promise<void> {
  const end = Date.now() + PATIENCE;
  for (;;) {
    try {
      await expectation();
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The number once it has been the same in ten looks, 100 ms apart; throws when it still grows at the end of the patience. */
export async function settled(read: () => number): Promise<number> {
  const end = Date.now() + PATIENCE;
  let seen = read();
  for (let looks = 0; looks < 10; ) {
    if (Date.now() > end) throw new Error(`still growing: ${seen}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = read();
    looks = now === seen ? looks + 1 : 0;
    seen = now;
  }
  return seen;
}
