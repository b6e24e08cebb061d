import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LogSchema } from '#gen/operations/v1/query_service_pb.js';
import { UNSEALED_TAIL, type UnsealedRow } from '../../../kernel/command-log/seals/unsealed-tail.ts';
import { durationOf } from './duration-of.ts';
import { statement } from './statement.ts';

export const unsealedTail = statement<UnsealedRow>(UNSEALED_TAIL);

export const toLog = ({ records, age }: UnsealedRow): MessageInitShape<typeof LogSchema> => ({
  unsealedRecords: BigInt(records),
  unsealed: durationOf(age),
});
