import type { Generation } from './generation.ts';
import { GeneratorError } from './generator-error.ts';
import { type AggregateNames, moduleNames } from './module-names.ts';
import type { Name } from './name.ts';
import { eventPart, PATHS, TEMPLATE_EVENT } from './parts.ts';
import { typeIn, withTypes } from './proto.ts';
import { templateFile } from './template.ts';
import { withCase, withImport, withUnionMember } from './typescript.ts';

/** An event that an aggregate can record: its message, its place among the aggregate's events, and the case that stores it. */
export function newEvent(generation: Generation, module: Name, aggregate: AggregateNames, event: Name): void {
  addEvent(generation, module, aggregate, event);
  const rename = generation.renamer(moduleNames(module, aggregate));
  generation.next.push(
    `Give ${event.pascal} the fields that others need to know: ${rename(PATHS.events)}, ${rename(PATHS.eventUnion)} and ${rename(PATHS.eventMessages)}.`,
    `Record it in a method of ${rename(PATHS.aggregate)}.`,
  );
}

export function addEvent(generation: Generation, module: Name, aggregate: AggregateNames, event: Name): void {
  const { changes } = generation;
  const names = [[TEMPLATE_EVENT, event] as const, ...moduleNames(module, aggregate)];
  const rename = generation.renamer(names);
  const part = eventPart();
  const events = rename(PATHS.events);
  if (typeIn(changes.read(events) ?? '', event.pascal) !== undefined)
    throw new GeneratorError(`${events} has a message ${event.pascal} already, and nothing was written.`);
  changes.edit(events, (source) => withTypes(source, [rename(part.message)]));

  const member = rename(part.unionMember);
  generation.insert(rename(PATHS.eventUnion), { what: `into ${aggregate.one.pascal}Event`, text: `| ${member}` }, (source) =>
    withUnionMember(source, `${aggregate.one.pascal}Event`, member),
  );
  const stored = rename(part.case);
  generation.insert(rename(PATHS.eventMessages), { what: 'before the default of the switch', text: stored }, (source) => {
    const withStored = withCase(source, stored);
    return withStored && withImport(withStored, { name: rename(part.schema), from: rename(EVENTS_MODULE) });
  });
}

/** Where the code of the events' messages is imported from. */
const EVENTS_MODULE = /from '(#gen\/[^']*events_pb\.js)'/.exec(templateFile(PATHS.eventMessages))?.[1] ?? '';
