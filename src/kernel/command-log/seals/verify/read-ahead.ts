/** The same items; the next one is already on its way while one is worked on. */
export async function* readAhead<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  let coming = source.next();
  for (;;) {
    const { done, value } = await coming;
    if (done) return;
    coming = source.next();
    // Looked at when it is its turn.
    coming.catch(() => {});
    yield value;
  }
}
