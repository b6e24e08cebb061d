const TABLE = String.raw`((?:"?\w+"?\.)?"?\w+"?)`;
/** Not the `update` of a row lock (`for update`) or of an `on conflict do update`. */
const WRITES = new RegExp(
  String.raw`\b(insert)\s+into\s+${TABLE}|\b(delete)\s+from\s+${TABLE}|(?<!\b(?:for|key|do)\s+)\b(update)\s+${TABLE}`,
  'gi',
);
const READS = new RegExp(String.raw`\bfrom\s+${TABLE}`, 'i');
const LONGEST = 255;

/** Texts whose summary is kept; past it (a text that varies without bound), it is made anew. */
const MOST_KNOWN = 1000;
const known = new Map<string, string>();

/** The same as `statementSummary`, which it asks once for each text. */
export function knownSummary(text: string): string {
  const found = known.get(text);
  if (found !== undefined) return found;
  const summary = statementSummary(text);
  if (known.size < MOST_KNOWN) known.set(text, summary);
  return summary;
}

/**
 * What a statement does to which tables, for the name of its span: `SELECT users.user`, `INSERT users.user INSERT cqrs.event`, `COMMIT`. It
 * is the `db.query.summary` of the semantic conventions of OpenTelemetry.
 */
export function statementSummary(text: string): string {
  const writes = [...text.matchAll(WRITES)].map((match) => match.slice(1).filter(Boolean));
  const [verb = 'statement'] = text.trimStart().split(/[\s;]/, 1);
  const [, table] = READS.exec(text) ?? [];
  const parts = writes.length > 0 ? writes : [[verb === 'with' ? 'select' : verb, table]];
  return parts
    .map(([does = '', what = '']) => `${does.toUpperCase()} ${what.replaceAll('"', '')}`.trimEnd())
    .join(' ')
    .slice(0, LONGEST);
}
