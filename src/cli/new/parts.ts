import { nameOf } from './name.ts';
import { rpcIn, typeIn } from './proto.ts';
import { codeOf, cut, type Range, without } from './source.ts';
import { templateFile } from './template.ts';
import { memberIn, memberRange } from './typescript.ts';

/**
 * What in the template is only there to be cut out, for a module that is there already: the command `RetireJamJar` with the event that
 * it records, a projection, and a migration. A new module comes without them.
 */
export const TEMPLATE_COMMAND = nameOf(['retire', 'jam', 'jar']);
export const TEMPLATE_EVENT = nameOf(['jam', 'jar', 'retired']);
/** The method of the aggregate that decides, and what is said of it. */
export const TEMPLATE_METHOD = 'retire';
export const TEMPLATE_SENTENCE = 'Retires a jam jar.';

const COMMAND = TEMPLATE_COMMAND.pascal;
const EVENT = TEMPLATE_EVENT.pascal;
const METHOD = TEMPLATE_METHOD;

export const TEMPLATE_PROJECTION = nameOf(['jam', 'jar', 'overview']);
export const TEMPLATE_MIGRATION = nameOf(['another', 'change']);

export const PATHS = {
  migrations: 'src/modules/farm_shop/migrations.ts',
  type: 'src/modules/farm_shop/persistence/jam-jar-type.ts',
  projection: 'src/modules/farm_shop/persistence/jam-jar-overview.ts',
  readModel: 'src/modules/farm_shop/read-model/jam-jar-overview.ts',
  projectionTest: 'test/modules/farm_shop/persistence/jam-jar-overview.integration.test.ts',
  projectionMigration: 'src/modules/farm_shop/migrations/20261130000002-jam-jar-overview.ts',
  migration: 'src/modules/farm_shop/migrations/20261130000003-another-change.ts',
  commandService: 'proto/farm_shop/v1/command_service.proto',
  events: 'proto/farm_shop/v1/events.proto',
  handler: 'src/modules/farm_shop/commands/retire-jam-jar.ts',
  handlerTest: 'test/modules/farm_shop/commands/retire-jam-jar.unit.test.ts',
  aggregate: 'src/modules/farm_shop/domain/jam-jar.ts',
  eventUnion: 'src/modules/farm_shop/domain/jam-jar-events.ts',
  eventMessages: 'src/modules/farm_shop/persistence/jam-jar-event-messages.ts',
} as const;

/** A part that is not found is a defect of the template. */
function found<T>(part: T | undefined, what: string): T {
  if (part === undefined) throw new Error(`the template has no ${what}`);
  return part;
}

/** The method of the aggregate by which the command decides. */
export const commandMethod = (): string => found(memberIn(templateFile(PATHS.aggregate), METHOD), METHOD);

/** The parts of the event. */
export const eventPart = () => {
  const messages = templateFile(PATHS.eventMessages);
  return {
    message: found(typeIn(templateFile(PATHS.events), EVENT), EVENT),
    unionMember: `{ readonly type: '${EVENT}' }`,
    case: cut(messages, caseRange(messages)),
    schema: `${EVENT}Schema`,
  };
};

/** A file of the template without what is there to be cut out; undefined for one that is there for that alone. */
export function withoutParts(path: string, text: string): string | undefined {
  switch (path) {
    case PATHS.handler:
    case PATHS.handlerTest:
    case PATHS.projection:
    case PATHS.readModel:
    case PATHS.projectionMigration:
    case PATHS.projectionTest:
    case PATHS.migration:
      return undefined;
    case PATHS.migrations:
      return text.replace(/^.*(JamJarOverview|AnotherChange).*\n/gm, '');
    case PATHS.type:
      return text.replace(/, jamJarOverview\b/, '').replace(/^import .*jamJarOverview.*\n/m, '');
    case PATHS.commandService: {
      const withoutRpc = withoutBlock(text, found(rpcIn(text, COMMAND), COMMAND));
      return [`${COMMAND}Request`, `${COMMAND}Response`].reduce(
        (rest, name) => withoutBlock(rest, found(typeIn(rest, name), name)),
        withoutRpc,
      );
    }
    case PATHS.events:
      return withoutBlock(text, found(typeIn(text, EVENT), EVENT));
    case PATHS.aggregate:
      return without(text, withBlankLine(text, found(memberRange(text, METHOD), METHOD)));
    case PATHS.eventUnion:
      return text.replace(new RegExp(`\\n  \\| \\{ readonly type: '${EVENT}' \\}`), '');
    case PATHS.eventMessages:
      return without(text, caseRange(text)).replace(new RegExp(`,?\\s*${EVENT}Schema\\b(?=[^;]*from)`), '');
    default:
      return text;
  }
}

/** Takes a block away together with the blank line before it. */
const withoutBlock = (text: string, block: string): string => text.replace(`\n${block}`, '');

const withBlankLine = (text: string, { from, to }: Range): Range => ({ from, to: text[to] === '\n' ? to + 1 : to });

function caseRange(text: string): Range {
  const from = text.indexOf(`    case '${EVENT}'`);
  const next = /^ {4}(case|default)\b/m.exec(codeOf(text).slice(from + 8));
  if (from < 0 || !next) throw new Error(`the template has no case ${EVENT}`);
  return { from, to: from + 8 + next.index };
}
