import type { DescMethod } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { CommandService as AuditCommands } from '../../../gen/audit/v1/command_service_pb.js';
import { QueryService as AuditQueries } from '../../../gen/audit/v1/query_service_pb.js';
import { CommandService as UserCommands } from '../../../gen/users/v1/command_service_pb.js';
import { QueryService as UserQueries } from '../../../gen/users/v1/query_service_pb.js';
import { methodName } from '../../../src/kernel/bus/convention.ts';
import { largestRequest, MAX_MESSAGE_BYTES } from '../../../src/kernel/bus/message-size.ts';
import { CommandService, QueryService } from '../../gen/conformance/v1/conformance_pb.js';

/** A thousand ids, however they are escaped. */
const LARGE = new Map<DescMethod, number>([[UserQueries.method.watchUsers, 256 * 1024]]);

const methods = [UserCommands, UserQueries, AuditCommands, AuditQueries].flatMap((service) => [...service.methods]);

describe('largestRequest', () => {
  it.each(methods.map((method) => [methodName(method), method] as const))('has a bound in the contract of %s', (_, method) => {
    expect(largestRequest(method)).toBeGreaterThanOrEqual(16 * 1024);
    expect(largestRequest(method)).toBeLessThanOrEqual(LARGE.get(method) ?? 32 * 1024);
  });

  it('leaves an rpc with a text of any length at 4 MiB, or at what it is told', () => {
    expect(largestRequest(QueryService.method.ask)).toBe(MAX_MESSAGE_BYTES);
    expect(largestRequest(QueryService.method.ask, 1000)).toBe(1000);
  });

  it('is no higher than what it is told for an rpc that has a bound of its own', () => {
    expect(largestRequest(UserQueries.method.getUser, 1000)).toBe(1000);
    expect(largestRequest(CommandService.method.echo)).toBe(MAX_MESSAGE_BYTES);
  });
});
