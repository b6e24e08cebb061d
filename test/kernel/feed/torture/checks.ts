/** An event, as a writer stored it or a reader was given it. */
export interface SeenEvent {
  readonly id: string;
  readonly aggregateId: string;
  readonly version: number;
  /** An event that its writer had read before it wrote this one. */
  readonly cause: string | undefined;
}

/**
 * What is wrong with what a reader was given one after the other, in words: an event that was committed and did not come, one that came
 * twice or was not committed, one that came before what it follows.
 */
export function problemsOf(given: readonly SeenEvent[], committed: readonly SeenEvent[]): readonly string[] {
  const problems: string[] = [];
  const expected = new Set(committed.map(({ id }) => id));
  const places = new Map<string, number>();
  const versions = new Map<string, number>();
  for (const [place, { id, aggregateId, version, cause }] of given.entries()) {
    if (places.has(id)) problems.push(`${id} came twice`);
    places.set(id, place);
    if (!expected.has(id)) problems.push(`${id} was not committed`);
    const before = versions.get(aggregateId) ?? 0;
    if (version !== before + 1) problems.push(`${id} is version ${version} of its aggregate, and came after version ${before}`);
    versions.set(aggregateId, version);
    if (cause !== undefined && !places.has(cause)) problems.push(`${id} came before ${cause}, which it was written after`);
  }
  for (const { id } of committed) if (!places.has(id)) problems.push(`${id} did not come`);
  return problems;
}
