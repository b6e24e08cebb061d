import type { Tail } from '../tail.ts';
import type { Change } from './changes.ts';
import { outcomeOf, type WatchedList } from './watched-list.ts';
import type { Watcher } from './watcher.ts';

/** Those who watch the same list. */
interface Group<Row> {
  readonly list: WatchedList<Row>;
  readonly watchers: Set<Watcher<Row>>;
}

/**
 * Gives what comes at the end of a tail to those whom it concerns, and wakes nobody else: a change costs one look for each list of all rows, and
 * one for each list that names its aggregate.
 */
export class Hub<Row> {
  readonly #groups = new Map<string, Group<Row>>();
  /** Of lists of any aggregate. */
  readonly #ofAny = new Set<Group<Row>>();
  readonly #byId = new Map<string, Set<Group<Row>>>();

  constructor(tail: Tail<Change<Row>>) {
    tail.listen({
      came: (changes) => {
        for (const change of changes) this.#tell(change);
      },
      failed: () => {
        for (const { watchers } of this.#groups.values()) for (const watcher of watchers) watcher.wake();
      },
    });
  }

  /** Until the returned function is called. `name` is the same for the same list. */
  join(watcher: Watcher<Row>, { name, list }: { name: string; list: WatchedList<Row> }): () => void {
    const group = this.#groups.get(name) ?? this.#begin(name, list);
    group.watchers.add(watcher);
    return () => {
      group.watchers.delete(watcher);
      if (group.watchers.size === 0) this.#end(name, group);
    };
  }

  #begin(name: string, list: WatchedList<Row>): Group<Row> {
    const group = { list, watchers: new Set<Watcher<Row>>() };
    this.#groups.set(name, group);
    if (!list.ids) this.#ofAny.add(group);
    for (const id of list.ids ?? []) {
      const groups = this.#byId.get(id) ?? new Set();
      this.#byId.set(id, groups.add(group));
    }
    return group;
  }

  #end(name: string, group: Group<Row>): void {
    if (this.#groups.get(name) === group) this.#groups.delete(name);
    this.#ofAny.delete(group);
    for (const id of group.list.ids ?? []) {
      const groups = this.#byId.get(id);
      groups?.delete(group);
      if (groups?.size === 0) this.#byId.delete(id);
    }
  }

  #tell(change: Change<Row>): void {
    for (const group of this.#ofAny) tell(group, change);
    for (const group of this.#byId.get(change.id) ?? []) tell(group, change);
  }
}

function tell<Row>({ list, watchers }: Group<Row>, change: Change<Row>): void {
  const outcome = outcomeOf(list, change);
  if (!outcome) return;
  for (const watcher of watchers) watcher.offer(change, outcome);
}
