import { create } from '@bufbuild/protobuf';
import { defineEntity, type EntityCtor, p } from '@mikro-orm/core';
import type { AggregateType, EventMessage } from '../../../src/kernel/database/write/aggregate-type.ts';
import { NoteAddedSchema, NoteChangedSchema } from '../../gen/notes/v1/events_pb.js';

/** What somebody wrote for themselves. */
export class Note {
  readonly id: string;
  readonly ownerId: string;
  text: string;
  version = 0;
  protected readonly writes?: number;
  private recorded?: EventMessage[];

  constructor(id: string, ownerId: string, text: string) {
    this.id = id;
    this.ownerId = ownerId;
    this.text = text;
    this.record({ schema: NoteAddedSchema, message: create(NoteAddedSchema, { ownerId, text }) });
  }

  get events(): readonly EventMessage[] {
    return this.recorded ?? [];
  }

  change(text: string): void {
    this.text = text;
    this.record({ schema: NoteChangedSchema, message: create(NoteChangedSchema, { text }) });
  }

  private record(event: EventMessage): void {
    this.version += 1;
    this.recorded = [...(this.recorded ?? []), event];
  }
}

export const NoteType: AggregateType<Note> = {
  name: 'notes.v1.Note',
  mapping: defineEntity({
    class: Note as unknown as EntityCtor<Note>,
    schema: 'notes',
    tableName: 'note',
    properties: {
      id: p.uuid().primary(),
      ownerId: p.uuid().fieldName('owner_id'),
      text: p.text(),
      version: p.integer(),
      writes: p.integer().version(),
    },
  }),
  id: ({ id }) => id,
  version: ({ version }) => version,
  events: ({ events }) => events,
  erasesPersonalData: () => false,
  projections: [
    {
      name: 'note_list',
      statement: `insert into read.note_list (id, owner_id, text) select id, owner_id, text from written
        on conflict (id) do update set text = excluded.text`,
    },
  ],
  violation: () => undefined,
};
