/** Replicas whose answers differ in age by no more than this are equally fresh, in milliseconds: two looks of the monitor cannot tell them apart. */
const EQUALLY_FRESH = 1_000;

/**
 * The order in which an instance reads its replicas, at the time of the call: those that are healthy, the equally fresh ones before the others.
 *
 * Of equally fresh ones an instance always prefers the same, by chance another one than other instances do. So reads are spread over the replicas,
 * and callers of one instance do not go to and fro between replicas of which one is a moment behind.
 */
export function readingOrder<Replica extends { readonly name: string }>(
  replicas: readonly Replica[],
  monitor: { readonly isHealthy: (name: string) => boolean; readonly staleness: (name: string) => number },
  random: () => number = Math.random,
): () => Replica[] {
  const preferred = replicas
    .map((replica) => ({ replica, place: random() }))
    .sort((one, other) => one.place - other.place)
    .map(({ replica }) => replica);
  return () => {
    const healthy = preferred.filter(({ name }) => monitor.isHealthy(name));
    if (healthy.length < 2) return healthy;
    const ages = new Map(healthy.map((replica) => [replica, monitor.staleness(replica.name)]));
    const fresh = Math.min(...ages.values()) + EQUALLY_FRESH;
    const lateness = (replica: Replica): number => {
      const age = ages.get(replica) ?? Number.POSITIVE_INFINITY;
      return age <= fresh ? 0 : age;
    };
    return healthy.sort((one, other) => lateness(one) - lateness(other));
  };
}
