import type { Generation } from './generation.ts';
import { GeneratorError } from './generator-error.ts';
import { type AggregateNames, moduleNames } from './module-names.ts';
import { type Name, nameOf } from './name.ts';
import { addRpcs } from './new-aggregate.ts';
import { addEvent } from './new-event.ts';
import { commandMethod, PATHS, TEMPLATE_COMMAND, TEMPLATE_EVENT, TEMPLATE_METHOD, TEMPLATE_SENTENCE } from './parts.ts';
import { codeOf, endOfBracket } from './source.ts';
import { templateFile } from './template.ts';
import { withMethod } from './typescript.ts';
import { pastParticiple, thirdPerson, withArticle } from './verbs.ts';

/**
 * A command that changes an aggregate: its rpc, its handler, the method of the aggregate that decides, the event that the method records,
 * and a test.
 */
export function newCommand(
  generation: Generation,
  module: Name,
  aggregate: AggregateNames,
  { command, event = eventOf(command, aggregate) }: { command: Name; event?: Name | undefined },
): void {
  const { changes, next } = generation;
  const names = [[TEMPLATE_COMMAND, command] as const, [TEMPLATE_EVENT, event] as const, ...moduleNames(module, aggregate)];
  const renamed = generation.renamer(names);
  const path = renamed(PATHS.commandService);
  const rename = (text: string): string => renamed(text.replaceAll(TEMPLATE_SENTENCE, sentenceOf(command, aggregate)));
  addRpcs(generation, { path, service: 'CommandService', rpcs: [TEMPLATE_COMMAND.pascal], rename });
  addEvent(generation, module, aggregate, event);

  const file = renamed(PATHS.aggregate);
  const source = changes.read(file) ?? '';
  if (!/\bprivate decide\(/.test(source))
    throw new GeneratorError(
      `${file} has no method \`decide\`, by which a generated command changes an aggregate: give it one as in a new aggregate, or write the command by hand.`,
    );
  const method = methodName(command, aggregate, source);
  const withMethodName = (text: string): string =>
    text.replace(new RegExp(`(^ {2}|\\.)${TEMPLATE_METHOD}\\(`, 'gm'), `$1${method}(`);
  const text = rename(withResultOf(source, withMethodName(commandMethod())));
  generation.insert(file, { what: `into the class ${aggregate.one.pascal}`, text }, (source) =>
    withMethod(source, aggregate.one.pascal, text),
  );
  for (const template of [PATHS.handler, PATHS.handlerTest]) {
    const prepared = withMethodName(templateFile(template)).replaceAll(TEMPLATE_SENTENCE, sentenceOf(command, aggregate));
    generation.fromTemplate(template, names, prepared);
  }
  next.push(
    `Say in ${file} what \`${method}\` changes, and when it refuses to.`,
    `Say in ${path} what the command has to be told, and who may send it.`,
    `Say in ${renamed(PATHS.events)} what others need to know of ${event.pascal}.`,
  );
}

/** A method that decides as the others do returns what these return: an aggregate can have refusals of its own. */
function withResultOf(source: string, method: string): string {
  const head = /\bprivate decide\(/.exec(source);
  if (!head) return method;
  const behindParameters = source.slice(endOfBracket(codeOf(source), head.index + head[0].length - 1));
  const [, result] = /^: (Result<[^\n]*>) \{/.exec(behindParameters) ?? [];
  return result === undefined ? method : method.replace(/\): Result<[^\n]*> \{/, `): ${result} {`);
}

/** `CancelOrder` records `OrderCanceled`, and `ChangeOrderAddress` `OrderAddressChanged`. */
export function eventOf(command: Name, aggregate: AggregateNames): Name {
  const { verb, object } = partsOf(command, aggregate);
  return nameOf([...aggregate.one.words.split(' '), ...object, pastParticiple(verb)]);
}

/** What the command does, for its comment; to be put in place of the template's sentence before names are replaced in it. */
function sentenceOf(command: Name, aggregate: AggregateNames): string {
  const { verb, object } = partsOf(command, aggregate);
  const what = withArticle(aggregate.one.words);
  const done = `${thirdPerson(verb)} ${object.length > 0 ? `the ${object.join(' ')} of ` : ''}${what}.`;
  return done.charAt(0).toUpperCase() + done.slice(1);
}

/** What is done, and to what of the aggregate. */
function partsOf({ words }: Name, { one }: AggregateNames): { verb: string; object: string[] } {
  const [verb = '', ...rest] = words.split(' ');
  const object = ` ${rest.join(' ')} `.replace(` ${one.words} `, ' ').split(' ').filter(Boolean);
  return { verb, object };
}

/** `cancel` of CancelOrder; the whole name where the aggregate has a member that is called so. */
function methodName(command: Name, aggregate: AggregateNames, source: string): string {
  const { verb, object } = partsOf(command, aggregate);
  const short = nameOf([verb, ...object]).camel;
  const isTaken = new RegExp(`^ {2}((?:get|private|protected|static|async|readonly) )*_?${short}\\b`, 'm').test(codeOf(source));
  return short === 'constructor' || isTaken ? command.camel : short;
}
