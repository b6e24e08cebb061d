import type { DescEnum, DescField, DescMessage, DescMethod, DescService } from '@bufbuild/protobuf';
import { messageKind, methodName } from '../bus/convention.ts';
import { BUS_METADATA } from './bus-metadata.ts';
import { commentOf, unwrapped } from './comments.ts';
import { contractServices } from './descriptors.ts';
import type { ErrorReason } from './errors.ts';
import { messageRulesOf, rulesOf } from './field-rules.ts';
import { fieldType } from './field-type.ts';
import { limitsInWords } from './limits-in-words.ts';
import { table } from './markdown-table.ts';
import { commonReasons, ownReasons, purposeOf } from './reasons.ts';
import { type RolePermissions, whoMayCall } from './who-may-call.ts';

/** What the pages are made of, besides the contracts. */
export interface ReferenceParts {
  readonly errors: readonly ErrorReason[];
  readonly roles: RolePermissions;
}

/** The pages of the reference, by file name: one a package, and README.md, which lists them. In Markdown. */
export function referencePages(parts: ReferenceParts): ReadonlyMap<string, string> {
  const packages = Map.groupBy(contractServices(), (service) => service.file.proto.package);
  const pages = [...packages].map(([name, services]) => [`${name}.md`, packagePage(name, services, parts)] as const);
  return new Map([['README.md', indexPage(packages, parts)], ...pages]);
}

function indexPage(packages: ReadonlyMap<string, readonly DescService[]>, parts: ReferenceParts): string {
  const rows = [...packages].flatMap(([name, services]) =>
    services.flatMap((service) =>
      service.methods.map((method) => [
        `[${method.name}](${name}.md#${method.name.toLowerCase()})`,
        messageKind(service) ?? '',
        whoMayCall(method, parts.roles),
        firstSentence(purposeOf(method)),
      ]),
    ),
  );
  return [
    '# Reference',
    '`npm run generate` makes these pages from the contracts. A command changes state, a query does not. All are served over gRPC, gRPC-Web and\nConnect; over Connect, a query can also be called by GET. [Errors](../errors.md) lists every reason of an error, and what to do about it.',
    table(['rpc', 'kind', 'who may call it', 'what it does'], rows),
    '## Metadata',
    'These are keys of gRPC metadata, or headers of HTTP. Send the token that LogIn returns as `authorization: Bearer <token>`.',
    table(
      ['key', 'where', 'rpcs', 'meaning'],
      BUS_METADATA.map(({ name, where, rpcs, meaning }) => [`\`${name}\``, where, rpcs, meaning]),
    ),
    '## JSON',
    'Over Connect a message is the JSON form of protobuf: fields in camelCase, times as RFC 3339, 64-bit numbers (`int64`) as strings, and no\nempty fields. A field that the contract does not have is refused.\n',
  ].join('\n\n');
}

function packagePage(name: string, services: readonly DescService[], parts: ReferenceParts): string {
  const shown = new Set<DescMessage | DescEnum>();
  const sections = services.flatMap((service) => serviceSection(service, parts, shown));
  return [`# ${name}`, ...sections, ...sharedTypes(services, shown)].join('\n\n').concat('\n');
}

function serviceSection(service: DescService, parts: ReferenceParts, shown: Set<DescMessage | DescEnum>): readonly string[] {
  const [intent = ''] = commentOf(service).split('\n\n');
  const common = commonReasons(service, parts.errors);
  return [
    `## ${service.name}`,
    unwrapped(intent),
    ...(common.length > 0
      ? [`Every call can also end with ${sentence(common.map(({ reason }) => `\`${reason}\``))}: see [errors](../errors.md).`]
      : []),
    ...service.methods.flatMap((method) => methodSection(method, parts, shown)),
  ];
}

function methodSection(method: DescMethod, parts: ReferenceParts, shown: Set<DescMessage | DescEnum>): readonly string[] {
  shown.add(method.input).add(method.output);
  const reasons = ownReasons(method, parts.errors);
  const limits = limitsInWords(method);
  const metadata = BUS_METADATA.filter(
    ({ where, name, appliesTo }) => where === 'request' && name !== 'traceparent' && appliesTo(method),
  );
  const facts = [
    ['who may call it', whoMayCall(method, parts.roles)],
    ['path', `\`/${methodName(method)}\``],
    ...(limits.length > 0 ? [['limits', limits.join('; ')]] : []),
    ...(metadata.length > 0 ? [['metadata', metadata.map(({ name }) => `\`${name}\``).join(', ')]] : []),
  ];
  const isStream = method.methodKind === 'server_streaming';
  return [
    `### ${method.name}`,
    unwrapped(purposeOf(method)),
    facts.map(([fact, value]) => `- ${fact}: ${value}`).join('\n'),
    ...messageSection(method.input, `\`${method.input.name}\`${hasFields(method.input) ? '' : ' has no fields.'}`),
    ...messageSection(
      method.output,
      `${isStream ? 'A stream of ' : ''}\`${method.output.name}\`${hasFields(method.output) ? '' : ' has no fields.'}`,
    ),
    ...(reasons.length > 0
      ? [
          table(
            ['reason', 'code', 'meaning'],
            reasons.map(({ reason, code, meaning }) => [reason, code, meaning]),
          ),
        ]
      : []),
  ];
}

const hasFields = (message: DescMessage): boolean => message.fields.length > 0;

function messageSection(message: DescMessage, title: string): readonly string[] {
  const rules = messageRulesOf(message);
  return [
    ...(title ? [title] : []),
    ...(rules.length > 0 ? [`Of the whole message: ${rules.join('; ')}.`] : []),
    ...(hasFields(message)
      ? [
          table(
            ['field', 'type', 'rules', 'meaning'],
            message.fields.map((field) => [`\`${field.name}\``, typeCell(field), rulesCell(field), commentOf(field)]),
          ),
        ]
      : []),
  ];
}

function typeCell(field: DescField): string {
  const type = `\`${fieldType(field)}\``;
  if (field.oneof) return `${type}, one of \`${field.oneof.name}\``;
  return field.proto.proto3Optional ? `${type}, optional` : type;
}

function rulesCell(field: DescField): string {
  const secret = field.proto.options?.debugRedact ? ['a secret'] : [];
  return [...rulesOf(field).words, ...secret].join('; ');
}

/** Messages and enums of the package that the rpcs use, and that are not a request or an answer. */
function sharedTypes(services: readonly DescService[], shown: Set<DescMessage | DescEnum>): readonly string[] {
  const found: (DescMessage | DescEnum)[] = [];
  const visit = (message: DescMessage): void => {
    for (const field of message.fields) {
      const type = field.message ?? field.enum;
      if (!type || shown.has(type) || type.file.proto.package.startsWith('google.protobuf')) continue;
      shown.add(type);
      found.push(type);
      if (type.kind === 'message') visit(type);
    }
  };
  for (const { input, output } of services.flatMap(({ methods }) => methods)) {
    visit(input);
    visit(output);
  }
  if (found.length === 0) return [];
  return ['## Types', ...found.sort((a, b) => (a.typeName < b.typeName ? -1 : 1)).flatMap(typeSection)];
}

function typeSection(type: DescMessage | DescEnum): readonly string[] {
  const title = [`### ${type.name}`, ...(commentOf(type) ? [unwrapped(commentOf(type))] : [])];
  if (type.kind === 'message') return [...title, ...messageSection(type, '')];
  const values = type.values.map((value) => [`\`${value.name}\``, String(value.number), commentOf(value)]);
  return [...title, table(['value', 'number', 'meaning'], values)];
}

const firstSentence = (comment: string): string =>
  /^.*?[.:](?=\s|$)/s.exec(unwrapped(comment))?.[0].replace(/:$/, '.') ?? unwrapped(comment);

const sentence = (words: readonly string[]): string =>
  words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
