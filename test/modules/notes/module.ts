import { Migration } from '@mikro-orm/migrations';
import { ok } from 'neverthrow';
import { QueryService as UsersQueryService } from '../../../gen/users/v1/query_service_pb.js';
import { type CommandContext, command } from '../../../src/kernel/bus/command.ts';
import { type QueryContext, query } from '../../../src/kernel/bus/query.ts';
import { readStatements } from '../../../src/kernel/database/read/read-statements.ts';
import type { Reader } from '../../../src/kernel/database/read/reader.ts';
import type { UnitOfWork } from '../../../src/kernel/database/write/unit-of-work.ts';
import { defineModule } from '../../../src/kernel/module.ts';
import { file_notes_v1_events } from '../../gen/notes/v1/events_pb.js';
import { CommandService, QueryService } from '../../gen/notes/v1/notes_pb.js';
import { Note, NoteType } from './note.ts';

interface Table {
  readonly id: string;
  readonly owner_id: string;
  readonly text: string;
}

const statements = readStatements<{ 'read.note_list': Table }>();
const byId = statements.selectFrom('read.note_list').select(['owner_id', 'text']).where('id', '=', '').compile();

interface NotesContext extends CommandContext {
  readonly work: UnitOfWork;
  /** The name of a user who may write. */
  readonly nameOf: (userId: string) => Promise<string>;
}

const addNote = command(CommandService.method.addNote, async ({ text }, { work, nameOf, principal, newId }: NotesContext) => {
  const note = new Note(newId(), principal.id, text);
  const writer = await nameOf(principal.id);
  work.add(NoteType, note);
  return ok({ noteId: note.id, writer });
});

const changeNote = command(CommandService.method.changeNote, async ({ noteId, text }, { work }: NotesContext) => {
  (await work.find(NoteType, noteId))?.change(text);
  return ok({});
});

const getNote = query(QueryService.method.getNote, async ({ noteId }, { read }: QueryContext & { readonly read: Reader }) => {
  const row = await read.row(byId, [noteId]);
  return ok({ text: row?.text ?? '' });
});

class CreateNotes extends Migration {
  override up(): void {
    this.addSql(
      'create table notes.note (id uuid primary key, owner_id uuid not null, text text not null, version integer not null, writes integer not null default 1)',
    );
    this.addSql('create table read.note_list (id uuid primary key, owner_id uuid not null, text text not null)');
  }
}

/** A module of a few lines, with all that a module can say. */
export const notes = defineModule({
  name: 'notes',
  services: [
    { kind: 'command', service: CommandService, handlers: { addNote, changeNote } },
    { kind: 'query', service: QueryService, handlers: { getNote } },
  ],
  permissions: { 'notes.read': 'Read every note' },
  aggregates: [NoteType],
  events: [file_notes_v1_events],
  migrations: [{ name: '20261201000000-notes', class: CreateNotes }],
  start: ({ ask }) => ({ users: ask(UsersQueryService) }),
  owner: {
    note_id: async (id, { read }) => (await read.row(byId, [id]))?.owner_id,
  },
  personalData: {
    aggregates: 'select id from notes.note where owner_id = $1',
    erase: [`update notes.note set text = '' where owner_id = $1`, 'delete from read.note_list where owner_id = $1'],
  },
  commandContext: (base, { work, parts: { users } }) => ({
    ...base,
    work,
    nameOf: async (userId: string) =>
      (await users.getUser({ userId }, { headers: { 'cqrs-consistency': 'strong' } })).user?.name ?? '',
  }),
  queryContext: (base, { read }) => ({ ...base, read }),
});
