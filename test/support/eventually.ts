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
