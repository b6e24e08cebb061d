import { type DescField, type DescMethod, getOption, hasOption, type Registry, ScalarType } from '@bufbuild/protobuf';
import { cache, Scope } from '#gen/cqrs/v1/cache_pb.js';
import { messageKind, methodName } from '../bus/convention.ts';
import type { ReadProjection } from '../bus/handler.ts';
import type { DeclaredReads } from '../bus/query.ts';
import { holdsSecrets } from '../bus/redaction.ts';

/** How the answers of a query are kept, from its contract. */
export interface CacheRule {
  readonly method: DescMethod;
  /** How long at most, in milliseconds. */
  readonly ms: number;
  /** The field of the request that holds the id of the aggregate that the answer is about, by its name in generated code. */
  readonly by: string | undefined;
  /** The types of events that end an answer; undefined for every event of the aggregate. */
  readonly types: ReadonlySet<string> | undefined;
  /** Whether an answer is for one caller alone. */
  readonly isPersonal: boolean;
  /** The async projections that the query reads. */
  readonly projections: readonly ReadProjection[];
}

/** Undefined for an rpc whose answers are not kept. `eventTypes` are those of all modules. */
export function cacheRuleOf(method: DescMethod, { reads, eventTypes }: CacheParts): CacheRule | undefined {
  if (!hasOption(method, cache)) return undefined;
  const { seconds, by, events, scope } = getOption(method, cache);
  const projections = reads.get(method) ?? [];
  const listed = events.flatMap((name) => typesNamed(name, eventTypes));
  const types = [...listed, ...projections.flatMap(({ events }) => events.map(({ typeName }) => typeName))];
  return {
    method,
    ms: seconds * 1000,
    by: fieldNamed(method, by)?.localName,
    types: types.length > 0 ? new Set(types) : undefined,
    isPersonal: scope !== Scope.ALL,
    projections,
  };
}

/** What a rule is read with. */
export interface CacheParts {
  readonly reads: DeclaredReads;
  readonly eventTypes: Registry;
}

/** What is wrong with the rule of one rpc, in words for whoever writes contracts. */
export function cacheProblems(method: DescMethod, { reads, eventTypes }: CacheParts): string[] {
  if (!hasOption(method, cache)) return [];
  const name = `${methodName(method)}: the cache rule`;
  const { seconds, by, events } = getOption(method, cache);
  if (messageKind(method.parent) !== 'query' || method.methodKind !== 'unary')
    return [`${name} is of no use, because only the answer of a query without a stream can be kept: take it out`];
  const field = fieldNamed(method, by);
  const isText = field?.fieldKind === 'scalar' && field.scalar === ScalarType.STRING;
  const endsNever = by === '' && events.length === 0 && (reads.get(method) ?? []).length === 0;
  return [
    ...(seconds === 0 ? [`${name} needs seconds`] : []),
    ...(by === '' || isText ? [] : [`${name} names \`${by}\`, which is no string field of ${method.input.typeName}`]),
    ...events
      .filter((type) => typesNamed(type, eventTypes).length === 0)
      .map((type) => `${name} names ${type}, which is in the \`events\` of no module`),
    ...(endsNever
      ? [`${name} names nothing that ends an answer: give it \`by\` or \`events\`, or the query its \`projections\``]
      : []),
    ...(holdsSecrets(method.output) ? [`${name} would keep the secrets of ${method.output.typeName}: take it out`] : []),
  ];
}

/** A type by its name, or all of a package by `package.*`. */
function typesNamed(name: string, eventTypes: Registry): string[] {
  if (!name.endsWith('.*')) return eventTypes.getMessage(name) ? [name] : [];
  const ofPackage = name.slice(0, -1);
  const names = [...eventTypes].flatMap((type) => (type.kind === 'message' ? [type.typeName] : []));
  return names.filter((type) => type.startsWith(ofPackage) && !type.slice(ofPackage.length).includes('.'));
}

const fieldNamed = (method: DescMethod, name: string): DescField | undefined =>
  method.input.fields.find((field) => field.name === name);
