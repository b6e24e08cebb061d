/** Runs the expectation until it holds; throws its last failure after two seconds. */
export async function eventually(expectation: () => void | Promise<void>): Promise<void> {
  const end = Date.now() + 2000;
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

/** The number once it has stopped growing for 300 ms; throws when it still grows after ten seconds. */
export async function settled(read: () => number): Promise<number> {
  const end = Date.now() + 10_000;
  for (let before = Number.NaN; Date.now() < end; ) {
    const now = read();
    if (now === before) return now;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  throw new Error(`still growing: ${read()}`);
}
