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
