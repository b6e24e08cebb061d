/** Where `parties` wait for each other: each that comes goes on when all are there. */
export function meeting(parties: number): () => Promise<void> {
  const all = Promise.withResolvers<void>();
  let there = 0;
  return () => {
    there += 1;
    if (there === parties) all.resolve();
    return all.promise;
  };
}
