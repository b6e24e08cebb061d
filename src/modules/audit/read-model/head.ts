import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Head, HeadSchema } from '#gen/audit/v1/query_service_pb.js';
import type { Batch } from '../../../kernel/command-log/seals/batch.ts';
import type { ExpectedHead } from '../../../kernel/command-log/seals/verify/expected-head.ts';

/** The newest batch as the head of the log. */
export function toHead(batch: Batch): MessageInitShape<typeof HeadSchema> {
  return {
    batch: BigInt(batch.number),
    sequence: BigInt(batch.lastSequence),
    hash: batch.hash,
    signature: batch.signature,
    keyId: batch.keyId,
    sealedAt: timestampFromMs(Number(batch.sealedAt)),
  };
}

/** A head that a caller kept. */
export function toExpectedHead({ batch, sequence, hash, signature, keyId }: Head): ExpectedHead {
  return {
    batch: Number(batch),
    sequence: Number(sequence),
    hash: Buffer.from(hash),
    signature: Buffer.from(signature),
    keyId,
  };
}
