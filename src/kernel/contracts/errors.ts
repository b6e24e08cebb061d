import { type DescEnum, type FileRegistry, hasOption } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { Detail, failure } from '#gen/cqrs/v1/errors_pb.js';
import { statedReason } from '../bus/reason.ts';
import { codeName } from '../telemetry/code-name.ts';
import { commentOf, unwrapped } from './comments.ts';
import { contractDescriptors } from './descriptors.ts';

/** One reason, as callers meet it. */
export interface ErrorReason {
  /** The proto package that `ErrorInfo.domain` names. */
  readonly domain: string;
  readonly reason: string;
  /** As the gRPC specification writes it, e.g. `NOT_FOUND`. */
  readonly code: string;
  /** What it means and what a caller can do. */
  readonly meaning: string;
  /** Keys of `ErrorInfo.metadata`. */
  readonly metadata: readonly string[];
  /** Messages of google.rpc beside ErrorInfo. */
  readonly details: readonly string[];
}

/** Every reason of the contracts, by domain and by name: the values of each `enum Reason`. */
export function errorReasons(contracts: FileRegistry = contractDescriptors()): readonly ErrorReason[] {
  const enums = [...contracts].filter((type) => type.kind === 'enum').filter(statesReasons);
  return enums.flatMap(reasonsOf).sort((a, b) => order(a.domain, b.domain) || order(a.reason, b.reason));
}

/** Others may publish an enum of that name too. */
const statesReasons = ({ name, parent, values }: DescEnum): boolean =>
  name === 'Reason' && parent === undefined && values.some((value) => hasOption(value, failure));

function reasonsOf({ values }: DescEnum): readonly ErrorReason[] {
  const stated = values.filter(({ number }) => number !== 0);
  return stated.map((value) => {
    const { domain, reason, code, metadata, details } = statedReason(value, value.number);
    const names = details.map((detail) => DETAILS[detail]);
    if (code === Code.FailedPrecondition) names.unshift('PreconditionFailure');
    return { domain, reason, code: codeName(code), meaning: unwrapped(commentOf(value)), metadata, details: names };
  });
}

const DETAILS: Readonly<Record<Detail, string>> = {
  [Detail.UNSPECIFIED]: '',
  [Detail.BAD_REQUEST]: 'BadRequest',
  [Detail.RESOURCE_INFO]: 'ResourceInfo',
  [Detail.RETRY_INFO]: 'RetryInfo',
};

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
