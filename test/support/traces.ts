/** A span as a collector has it. */
export interface SeenSpan {
  readonly service: string;
  readonly name: string;
  readonly kind: 'server' | 'client' | 'internal' | 'producer' | 'consumer';
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined for the first of a trace. */
  readonly parentId: string | undefined;
  /** In nanoseconds since the epoch. */
  readonly startedAt: bigint;
  readonly durationUs: number;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** The spans that it names without being part of them. */
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

/** The spans below this one, in the order of their beginning. */
export function childrenOf(spans: readonly SeenSpan[], parent: SeenSpan | undefined): SeenSpan[] {
  const children = spans.filter(({ parentId }) => parentId === parent?.spanId);
  return children.sort((one, other) => (one.startedAt < other.startedAt ? -1 : 1));
}

/** The spans of one trace as lines, each below its parent and indented. */
export function treeOf(spans: readonly SeenSpan[], describe: (span: SeenSpan) => string = ({ name }) => name): string[] {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const below = (span: SeenSpan, depth: number): string[] => [
    `${'  '.repeat(depth)}${describe(span)}`,
    ...childrenOf(spans, span).flatMap((child) => below(child, depth + 1)),
  ];
  const roots = spans.filter(({ parentId }) => parentId === undefined || !known.has(parentId));
  return roots.flatMap((root) => below(root, 0));
}

/** What is wrong with the trace of a CreateUser over gRPC: nothing, if it is one tree of the client, the call, its unit of work and statements. */
export function problemsOfCreateUser(spans: readonly SeenSpan[]): string[] {
  return problemsOf(spans, [
    'client client users.v1.CommandService/CreateUser',
    '  bicameral server users.v1.CommandService/CreateUser',
    '    bicameral internal unit of work',
    '      bicameral internal hash a password',
    '      bicameral client BEGIN',
    '      bicameral client SELECT users.user',
    '      bicameral client INSERT users.user INSERT cqrs.event INSERT cqrs.command_log INSERT read.user_directory INSERT read.ended_session',
    '      bicameral client COMMIT',
  ]);
}

/** The same of a ListUsers: the client, the call, the replica that was chosen and the statement there. */
export function problemsOfListUsers(spans: readonly SeenSpan[]): string[] {
  return problemsOf(spans, [
    'client client users.v1.QueryService/ListUsers',
    '  bicameral server users.v1.QueryService/ListUsers',
    '    bicameral internal read replica-1',
    '      bicameral client SELECT read.user_directory',
  ]);
}

function problemsOf(spans: readonly SeenSpan[], wanted: readonly string[]): string[] {
  // Waiting for a connection depends on what else goes on.
  const lines = treeOf(
    spans.filter(({ name }) => name !== 'wait for a connection'),
    ({ service, kind, name }) => `${service} ${kind} ${name}`,
  );
  const problems = wanted.filter((line) => !lines.includes(line)).map((line) => `missing: ${line}`);
  problems.push(...lines.filter((line) => !wanted.includes(line)).map((line) => `unexpected: ${line}`));
  const call = spans.find(({ kind }) => kind === 'server');
  if (call?.attributes['rpc.status_code'] !== 'OK') problems.push('the call does not say that it ended with OK');
  if (call?.attributes['rpc.system.name'] !== 'grpc') problems.push('the call does not say that it came by gRPC');
  for (const { name, failed } of spans) if (failed) problems.push(`failed: ${name}`);
  for (const { name, attributes } of spans.filter((span) => span.attributes['db.system.name'] !== undefined)) {
    if (attributes['db.query.summary'] !== name) problems.push(`${name} is not named after its summary`);
    if (!attributes['db.query.text']) problems.push(`${name} has no text`);
  }
  return problems;
}
