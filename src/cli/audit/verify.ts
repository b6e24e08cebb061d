import { readFile } from 'node:fs/promises';
import { fromJsonString, toJson } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import {
  type Finding,
  FindingKind,
  FindingSchema,
  type Head,
  HeadSchema,
  QueryService,
  type Restore,
  type SealingKey,
  type VerifyResult,
  VerifyResultSchema,
} from '#gen/audit/v1/query_service_pb.js';
import type { Environment } from '../../kernel/settings.ts';
import { escapedText } from '../../kernel/telemetry/escaped-text.ts';
import { alignedRows } from '../aligned-rows.ts';
import { createProgressBar } from '../progress-bar.ts';
import { type ServiceClient, serviceClient } from '../service-client.ts';
import type { TrustFiles } from '../trust.ts';

class HeadFileUnusable extends Error {
  constructor(file: string, cause: unknown) {
    super(`--head: ${file} is not what \`bicameral audit head\` prints: ${Error.isError(cause) ? cause.message : cause}`, {
      cause,
    });
    this.name = 'HeadFileUnusable';
  }
}

/** `bicameral audit verify`: exits with 1 when something is wrong. */
export async function verifyIntegrity(
  environment: Environment,
  options: TrustFiles & { head?: string; json?: boolean },
): Promise<void> {
  const expectedHead = options.head === undefined ? undefined : await readHead(options.head);
  const service = await serviceClient(environment, { ...options, roles: ['auditor'] });
  try {
    const { findings, result } = await verified(service, expectedHead);
    process.stdout.write(escapedText(options.json ? json(findings, result) : table(findings) + summary(result, expectedHead)));
    if (result.findings > 0n) process.exitCode = 1;
  } finally {
    service.close();
  }
}

async function readHead(file: string): Promise<Head> {
  try {
    return fromJsonString(HeadSchema, await readFile(file, 'utf8'));
  } catch (cause) {
    throw new HeadFileUnusable(file, cause);
  }
}

async function verified(
  { client }: ServiceClient,
  expectedHead: Head | undefined,
): Promise<{ findings: Finding[]; result: VerifyResult }> {
  const bar = createProgressBar('records');
  const findings: Finding[] = [];
  try {
    for await (const { event } of client(QueryService).verifyIntegrity(expectedHead ? { expectedHead } : {})) {
      if (event.case === 'progress') bar.update(Number(event.value.verified), Number(event.value.total));
      if (event.case === 'finding') findings.push(event.value);
      if (event.case === 'result') return { findings, result: event.value };
    }
  } finally {
    bar.clear();
  }
  throw new Error('the verification ended without a result');
}

function json(findings: readonly Finding[], result: VerifyResult): string {
  const shown = findings.map((finding) => toJson(FindingSchema, finding));
  return `${JSON.stringify({ findings: shown, result: toJson(VerifyResultSchema, result, { alwaysEmitImplicit: true }) })}\n`;
}

function table(findings: readonly Finding[]): string {
  if (findings.length === 0) return '';
  const rows = findings.map(({ kind, sequence, batch, commandId, description }) => [
    FindingKind[kind] ?? String(kind),
    sequence?.toString() ?? '',
    batch?.toString() ?? '',
    commandId,
    description,
  ]);
  return `${alignedRows()([['DAMAGE', 'SEQUENCE', 'BATCH', 'COMMAND', 'WHAT IS WRONG'], ...rows])}\n`;
}

function summary(
  { verified: records, pruned, findings, head, keys, restores }: VerifyResult,
  expectedHead: Head | undefined,
): string {
  const number = (value: bigint): string => value.toLocaleString('en');
  const seen = `${number(records)} records compared with their seals, ${number(pruned)} pruned`;
  const kept = expectedHead ? ', and the head that was kept' : '';
  const end = head ? ` The log ends at sequence ${head.sequence}, batch ${head.batch}.` : '';
  const sealed = keys.map(sealedBy).join('') + restores.map(restored).join('');
  if (findings === 0n) return `The log is whole: ${seen}${kept}.${end}\n${sealed}`;
  return `The log is damaged in ${number(findings)} ${findings === 1n ? 'place' : 'places'}: ${seen}.${end}\n${sealed}`;
}

function sealedBy({ keyId, firstBatch, lastBatch, batches, held }: SealingKey): string {
  const range = firstBatch === lastBatch ? `batch ${firstBatch}` : `batches ${firstBatch} to ${lastBatch}`;
  const some = batches === lastBatch - firstBatch + 1n ? '' : `, ${batches} of them`;
  return `Sealed with the key ${keyId}: ${range}${some}${held ? '' : ' (the service does not hold it)'}.\n`;
}

function restored({ batch, sequence, restoredAt, unsealedRecords: unsealed }: Restore): string {
  const at = restoredAt ? timestampDate(restoredAt).toISOString() : 'an unknown time';
  const places = unsealed === 1n ? `sequence ${sequence + 1n}` : `sequences ${sequence + 1n} to ${sequence + unsealed}`;
  const records =
    unsealed === 1n ? '1 record had no seal then and has' : `${unsealed.toLocaleString('en')} records had no seal then and have`;
  const then = unsealed === 0n ? 'all records had a seal then' : `${records} one since (${places})`;
  return `Restored into another cluster at ${at}, behind sequence ${sequence} (batch ${batch}): ${then}.\n`;
}
