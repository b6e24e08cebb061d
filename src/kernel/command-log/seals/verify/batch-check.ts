import type { Batch } from '../batch.ts';
import { isPersonalIntact, isWithinForm, placeOf, recordDigest } from '../canonical-record.ts';
import { merkleRoot, type Seal, sealLeaf } from '../merkle.ts';
import type { Unmatched } from './damage.ts';
import type { Finding } from './finding.ts';
import type { PrunedRanges } from './pruned-ranges.ts';
import type { SealedBatch, SealedRecord } from './sealed-pages.ts';

export interface BatchCheck {
  /** Records that were compared with their seals. */
  readonly verified: number;
  readonly pruned: number;
  readonly findings: readonly Finding[];
  readonly unmatched: readonly Unmatched[];
}

/** Compares the seals of a batch with its root, and its records with their seals. Of a broken row, the root says nothing. */
export function checkBatch(sealed: SealedBatch, pruned: PrunedRanges, { isRowBroken }: { isRowBroken: boolean }): BatchCheck {
  const { batch, records } = sealed;
  const size = batch.lastSequence - batch.firstSequence + 1;
  if (!isRowBroken && records.length === 0 && batch.lastSequence <= pruned.lastSequence)
    return { verified: 0, pruned: size, findings: [], unmatched: [] };
  const findings = isRowBroken ? undefined : sealFindings(sealed, size);
  const check = { verified: 0, pruned: 0, findings: findings?.findings ?? [], unmatched: [] as Unmatched[] };
  for (const { seal, record } of records) {
    if (record) check.verified += 1;
    if (!record && pruned.includes(seal.receivedAt)) {
      check.pruned += 1;
      continue;
    }
    const problem = problemOf({ seal, record }, { form: batch.form, isWhole: findings?.areRecordsWhole ?? false });
    if (!problem) continue;
    const { commandId, sequence, digest } = seal;
    check.unmatched.push({ finding: { ...problem, commandId, sequence, batch: batch.number }, digest, values: record?.values });
  }
  return check;
}

/** With `isWhole`, the record is known to be what the root was made of, and its seal is what was changed. */
function problemOf(
  { seal, record }: SealedRecord,
  { form, isWhole }: { form: number; isWhole: boolean },
): Pick<Finding, 'kind' | 'description'> | undefined {
  if (!record) return { kind: 'REMOVED', description: 'the record is gone, and was not pruned' };
  if (!isWhole && recordDigest(record.values, form).toString('hex') !== seal.digest)
    return { kind: 'CHANGED', description: 'a field of the record is not what was sealed' };
  if (!isWithinForm(record.values, form))
    return { kind: 'CHANGED', description: 'the record says more than records did when it was sealed' };
  if (!isPersonalIntact(record.personal, record.values))
    return { kind: 'CHANGED', description: 'the personal part of the request is neither what was sealed nor erased' };
  return undefined;
}

interface SealFindings {
  readonly findings: Finding[];
  readonly areRecordsWhole: boolean;
}

function sealFindings({ batch, records }: SealedBatch, size: number): SealFindings | undefined {
  const broken = (description: string, sequence?: number): Finding => ({
    kind: 'BATCH_BROKEN',
    batch: batch.number,
    ...(sequence !== undefined && { sequence }),
    description: `batch ${batch.number}: ${description}`,
  });
  if (records.length !== size) {
    const missing = records.findIndex(({ seal }, index) => seal.sequence !== batch.firstSequence + index);
    const sequence = batch.firstSequence + (missing === -1 ? records.length : missing);
    return { findings: [broken(`${size - records.length} of its seals are missing`, sequence)], areRecordsWhole: false };
  }
  if (merkleRoot(records.map(({ seal }) => sealLeaf(seal))).equals(batch.root)) return undefined;
  const restored = sealsOf(records, batch);
  if (!restored || !merkleRoot(restored.map(sealLeaf)).equals(batch.root))
    return { findings: [broken('its seals do not make its root')], areRecordsWhole: false };
  const findings = restored.flatMap((was, index): Finding[] => {
    const is = records[index]?.seal;
    const { commandId, sequence } = was;
    if (is?.commandId !== commandId)
      return [
        {
          kind: 'SWAPPED',
          commandId,
          sequence,
          batch: batch.number,
          description: 'the record is sealed in the place of another',
        },
      ];
    return is.digest === was.digest && is.receivedAt === was.receivedAt
      ? []
      : [broken('a seal was changed, its record was not', sequence)];
  });
  return { findings, areRecordsWhole: true };
}

const POSITION = placeOf('position');
const COMMAND_ID = placeOf('command_id');
const RECEIVED_AT = placeOf('received_at');

/** The seals that the records would have by themselves: inside a batch they are in the order of `position`. */
function sealsOf(records: readonly SealedRecord[], { firstSequence, form }: Batch): Seal[] | undefined {
  const values = records.flatMap(({ record }) => (record ? [record.values] : []));
  if (values.length < records.length) return undefined;
  values.sort((one, other) => Number(one[POSITION]) - Number(other[POSITION]));
  return values.map((record, index) => ({
    sequence: firstSequence + index,
    commandId: record[COMMAND_ID] ?? '',
    receivedAt: record[RECEIVED_AT] ?? '',
    digest: recordDigest(record, form).toString('hex'),
  }));
}
