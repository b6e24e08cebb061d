import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  FindingKind,
  QueryService,
  type RestoreSchema,
  type SealingKeySchema,
  type VerifyIntegrityResponseSchema,
} from '#gen/audit/v1/query_service_pb.js';
import { streamQuery } from '../../../kernel/bus/query.ts';
import type { Finding } from '../../../kernel/command-log/seals/verify/finding.ts';
import type { Restore } from '../../../kernel/command-log/seals/verify/restores.ts';
import type { SealedBy } from '../../../kernel/command-log/seals/verify/sealing-keys.ts';
import type { VerifyEvent } from '../../../kernel/command-log/seals/verify/verify-log.ts';
import { translateSqlError } from '../../../kernel/database/sql-errors.ts';
import { toExpectedHead, toHead } from '../read-model/head.ts';
import type { AuditQueryContext } from './context.ts';

/** Checks the whole log, and tells on the way how far it is and what it finds. */
export const verifyIntegrity = streamQuery(
  QueryService.method.verifyIntegrity,
  async function* ({ expectedHead }, { verify }: AuditQueryContext) {
    try {
      for await (const event of verify(expectedHead && toExpectedHead(expectedHead))) yield toResponse(event);
    } catch (error) {
      throw translateSqlError(error);
    }
  },
);

function toResponse(event: VerifyEvent): MessageInitShape<typeof VerifyIntegrityResponseSchema> {
  switch (event.kind) {
    case 'progress':
      return { event: { case: 'progress', value: { verified: BigInt(event.verified), total: BigInt(event.total) } } };
    case 'finding':
      return { event: { case: 'finding', value: toFinding(event.finding) } };
    case 'result': {
      const { verified, pruned, findings, head, sealedBy, restores } = event;
      const counts = { verified: BigInt(verified), pruned: BigInt(pruned), findings: BigInt(findings) };
      const lists = { keys: sealedBy.map(toSealingKey), restores: restores.map(toRestore) };
      return { event: { case: 'result', value: { ...counts, ...(head && { head: toHead(head) }), ...lists } } };
    }
  }
}

function toSealingKey({ keyId, isHeld, firstBatch, lastBatch, batches }: SealedBy): MessageInitShape<typeof SealingKeySchema> {
  return {
    keyId,
    held: isHeld,
    firstBatch: BigInt(firstBatch),
    lastBatch: BigInt(lastBatch),
    batches: BigInt(batches),
  };
}

function toRestore({ batch, sequence, at, unsealed }: Restore): MessageInitShape<typeof RestoreSchema> {
  return {
    batch: BigInt(batch),
    sequence: BigInt(sequence),
    restoredAt: timestampFromMs(Number(at)),
    unsealedRecords: BigInt(unsealed),
  };
}

function toFinding({ kind, commandId = '', sequence, batch, description }: Finding) {
  return {
    kind: FindingKind[kind],
    commandId,
    description,
    ...(sequence !== undefined && { sequence: BigInt(sequence) }),
    ...(batch !== undefined && { batch: BigInt(batch) }),
  };
}
