import type { ScriptedChange } from './changed-aggregates.ts';

/** A handler changed something and no method of an aggregate recorded an event of it. It is a defect; nothing was stored. */
export class ChangeWithoutEvent extends Error {
  constructor({ method, of, properties }: { method: string; of: string; properties: readonly string[] }) {
    super(`${method} changed ${properties.join(', ')} of ${of}, and recorded no event: nothing of it is stored`);
    this.name = 'ChangeWithoutEvent';
  }
}

/** A handler changed an aggregate that its command does not declare. It is a defect; nothing was stored. */
export class UndeclaredChange extends Error {
  constructor(method: string, changed: readonly Pick<ScriptedChange, 'aggregateType' | 'aggregateId'>[]) {
    const all = changed.map(({ aggregateType, aggregateId }) => `${aggregateType} ${aggregateId}`);
    const names = [...new Set(changed.map(({ aggregateType }) => `'${aggregateType}'`))];
    super(
      `${method} changed ${all.join(' and ')}, and nothing of it is stored: a command changes one aggregate. If this one has to change several, say so where it is declared, what it is about first: command(…, { changes: [${names.join(', ')}] })`,
    );
    this.name = 'UndeclaredChange';
  }
}
