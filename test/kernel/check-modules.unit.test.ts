import type { DescMessage } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { application } from '../../src/app.ts';
import { checkModules, moduleProblems } from '../../src/kernel/check-modules.ts';
import { contractDescriptors } from '../../src/kernel/contracts/descriptors.ts';
import { processManager, step } from '../../src/kernel/feed/process-manager.ts';
import { projection } from '../../src/kernel/feed/projection.ts';
import { reaction, reactor } from '../../src/kernel/feed/reactor.ts';
import type { Module } from '../../src/kernel/module.ts';
import type { Application } from '../../src/kernel/service.ts';
import { file_notes_v1_events, NoteAddedSchema } from '../gen/notes/v1/events_pb.js';
import { file_notes_v1_notes } from '../gen/notes/v1/notes_pb.js';
import { OrderCancelledSchema, StockTakenSchema } from '../gen/orders/v1/events_pb.js';
import { notes } from '../modules/notes/module.ts';

const contracts = [...contractDescriptors().files, file_notes_v1_notes, file_notes_v1_events];
const roles = { ...application.roles, reader: ['notes.read'] };
const service: Application = { ...application, modules: [...application.modules, notes], roles };
const having = (module: Partial<Module>): Application => ({
  ...service,
  modules: [...application.modules, { ...notes, ...module }],
});

const remembering = (name: string, event: DescMessage) =>
  processManager(StockTakenSchema, { name, from: 'now', on: [step(event, async () => {})] });
const onNoteAdded = (name: string) => reactor({ name, from: 'now', on: [reaction(NoteAddedSchema, async () => {})] });
const noted = projection({
  name: 'noted',
  events: [NoteAddedSchema],
  tables: { noted: 'read.noted' },
  statements: ({ noted }) => ({ added: `insert into ${noted} (id) select aggregate_id from events` }),
});

describe('the check of modules', () => {
  it('finds nothing where nothing is wrong', () => {
    expect(moduleProblems(service, contracts)).toEqual([]);
    expect(moduleProblems({ ...application, modules: [] }, contractDescriptors().files)).toEqual([
      expect.stringContaining('the role auditor holds users.read, which no module declares'),
      expect.stringContaining('the role auditor holds audit.read'),
      expect.stringContaining('the role auditor holds events.read'),
      expect.stringContaining('the role operator holds operations.read'),
      expect.stringContaining('the role operator holds operations.write'),
    ]);
  });

  it.each<[string, Application, string]>([
    [
      'a module that is not registered',
      { ...service, modules: application.modules, roles: application.roles },
      'no module serves notes.v1.CommandService: list the module notes of src/modules/notes/module.ts in src/app.ts',
    ],
    [
      'a permission that no role can hold',
      { ...service, roles: { ...application.roles, admin: ['users.read'] } },
      'no role holds notes.read: add it to a role in src/app.ts',
    ],
    [
      'a permission of a contract that no module declares',
      { ...having({ permissions: {} }), roles: application.roles },
      'notes.v1.QueryService/GetNote asks for notes.read, which no module declares: add it to the `permissions` of src/modules/notes/module.ts',
    ],
    [
      'a permission of a role that no module declares',
      { ...service, roles: { ...roles, clerk: ['notes.raed'] } },
      'the role clerk holds notes.raed, which no module declares: correct it in the roles of src/app.ts',
    ],
    [
      'events that are not listed',
      having({ events: [] }),
      'notes/v1/events.proto is not in the `events` of src/modules/notes/module.ts',
    ],
    [
      'an rpc of two modules',
      {
        ...service,
        modules: [...service.modules, { ...notes, name: 'more', aggregates: [], events: [], permissions: {}, migrations: [] }],
      },
      'notes.v1.CommandService is served by the modules notes and more: take it out of one',
    ],
    [
      'an aggregate of two modules',
      {
        ...service,
        modules: [...service.modules, { ...notes, name: 'more', services: [], owner: {}, permissions: {}, migrations: [] }],
      },
      'the aggregate notes.v1.Note is in the modules notes and more: take it out of one',
    ],
    ['an owner that nobody tells', having({ owner: {} }), 'is for the owner of `note_id`: add `owner: { note_id: … }`'],
    [
      'an owner that no rule names',
      having({ owner: { ...notes.owner, book_id: async () => undefined } }),
      'src/modules/notes/module.ts tells the owner of `book_id`, and no access rule of the module names it',
    ],
    ['a name that is that of the kernel', having({ name: 'cqrs' }), 'cqrs cannot be the name of a module'],
    [
      'a module that is listed twice',
      { ...service, modules: [...service.modules, notes] },
      'the module notes is listed twice in src/app.ts',
    ],
    [
      'two reactors of one name',
      having({ reactors: [onNoteAdded('one_name'), onNoteAdded('one_name')] }),
      'the reactor one_name has the name of another one, of the modules notes and notes: give one another name',
    ],
    [
      'a reactor with the name of a projection',
      having({ projections: [noted], reactors: [onNoteAdded('noted')] }),
      'the reactor noted has the name of another one, of the modules notes and notes: give one another name',
    ],
    [
      'a process manager with the name of a reactor',
      having({ reactors: [onNoteAdded('one_name')], processes: [remembering('one_name', NoteAddedSchema)] }),
      'the process manager one_name has the name of another one, of the modules notes and notes: give one another name',
    ],
    [
      'a process manager of what no module stores',
      having({ processes: [remembering('late', OrderCancelledSchema)] }),
      'the process manager late of src/modules/notes/module.ts takes orders.v1.OrderCancelled, which is in the `events` of no module',
    ],
    [
      'a reactor to what no module stores',
      having({ reactors: [reactor({ name: 'late', from: 'now', on: [reaction(OrderCancelledSchema, async () => {})] })] }),
      'the reactor late of src/modules/notes/module.ts takes orders.v1.OrderCancelled, which is in the `events` of no module',
    ],
    [
      'a handler that is missing',
      having({ services: notes.services.map((one) => ({ ...one, handlers: {} })) }),
      'notes.v1.CommandService/AddNote has no handler',
    ],
  ])('names %s, with the file and what to do', (_, wrong, problem) => {
    expect(moduleProblems(wrong, contracts)).toEqual(expect.arrayContaining([expect.stringContaining(problem)]));
    expect(() => checkModules(wrong, contracts)).toThrow('The modules cannot be served:');
  });
});
