import { create, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema, anyPack } from '@bufbuild/protobuf/wkt';
import type { ConnectError } from '@connectrpc/connect';
import type { StatusObject } from '@grpc/grpc-js';
import { StatusSchema } from '#gen/google/rpc/status_pb.js';
import { toMetadata } from './metadata.ts';

/** Where gRPC carries `google.rpc.Status`, and with it the details of an error. */
export const STATUS_DETAILS = 'grpc-status-details-bin';

/** An error as gRPC sends it: code, message, and in the trailers its details and metadata. */
export function toStatus(error: ConnectError): StatusObject {
  const { code } = error;
  // A lone surrogate cannot be percent-encoded for `grpc-message`.
  const message = error.rawMessage.toWellFormed();
  const metadata = toMetadata(error.metadata);
  const status = create(StatusSchema, { code, message, details: error.details.map(packed) });
  metadata.set(STATUS_DETAILS, Buffer.from(toBinary(StatusSchema, status)));
  return { code: code as number, details: message, metadata };
}

function packed(detail: ConnectError['details'][number]): Any {
  if ('desc' in detail) return anyPack(detail.desc, create(detail.desc, detail.value));
  return create(AnySchema, { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value });
}
