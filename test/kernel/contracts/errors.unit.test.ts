import { readFileSync } from 'node:fs';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from '@jest/globals';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import * as auth from '../../../src/kernel/auth/errors.ts';
import { HeaderInvalid } from '../../../src/kernel/bus/bus-headers.ts';
import { DryRunInvalid, DryRunRefused } from '../../../src/kernel/bus/dry-run.ts';
import * as bus from '../../../src/kernel/bus/errors.ts';
import { PageTokenInvalid } from '../../../src/kernel/bus/page-token.ts';
import * as consistency from '../../../src/kernel/consistency/errors.ts';
import { errorReasons } from '../../../src/kernel/contracts/errors.ts';
import { AnswerErased, IdempotencyKeyReused } from '../../../src/kernel/database/write/idempotency-keys.ts';
import { HostNotAllowed } from '../../../src/kernel/doors/allowed-hosts.ts';
import { ShuttingDown } from '../../../src/kernel/doors/calls-in-flight.ts';
import * as refusals from '../../../src/kernel/doors/refusal.ts';
import { HealthUnknown } from '../../../src/kernel/doors/standard/health.ts';
import { ResumeTokenInvalid } from '../../../src/kernel/feed/watching/resume-token.ts';
import { toConnectError } from '../../../src/kernel/middleware/errors.ts';
import { IdempotencyKeyInvalid, IdempotencyKeyRefused } from '../../../src/kernel/middleware/idempotency.ts';
import { codeName } from '../../../src/kernel/telemetry/code-name.ts';
import { CommandNotFound } from '../../../src/modules/audit/command-not-found.ts';
import { CommandNotReplayable } from '../../../src/modules/audit/commands/command-not-replayable.ts';
import { RangeNotSealed } from '../../../src/modules/audit/commands/range-not-sealed.ts';
import { EventTypeUnknown } from '../../../src/modules/events/event-type-unknown.ts';
import * as subscriptions from '../../../src/modules/events/subscription-errors.ts';
import * as operations from '../../../src/modules/operations/commands/refusals.ts';
import * as missing from '../../../src/modules/operations/not-found.ts';
import * as passwords from '../../../src/modules/users/domain/password-policy.ts';
import * as sessions from '../../../src/modules/users/domain/session-errors.ts';
import * as users from '../../../src/modules/users/domain/user-errors.ts';
import { UserNotFound } from '../../../src/modules/users/user-not-found.ts';

const unexpected = { newId: () => 'error-1', report: () => {} };
const refused = (code: Code, fault?: refusals.WireFault): ConnectError =>
  refusals.refusal({ code, message: 'refused' }, { fault, maxMessageBytes: 9, unexpected });

/** One of each error, with all that it can say. */
const ERRORS: readonly unknown[] = [
  new bus.InvalidRequest([{ field: 'name', description: 'must not be empty' }]),
  new bus.MalformedRequest(),
  new bus.DeadlinePassed(),
  new bus.CallCanceled(),
  new bus.Overloaded('a connection'),
  new bus.RateLimited('write', 1000),
  new bus.GuessesThrottled(1000),
  new bus.GuessesExhausted(),
  new bus.DatabaseUnavailable(),
  new bus.Conflict(),
  new PageTokenInvalid(),
  new AnswerErased('command-1'),
  new consistency.ConsistencyTokenInvalid(),
  new consistency.ConsistencyTokenExpired(),
  new consistency.ConsistencyTokenForeign(),
  new consistency.ConsistencyStateLost(),
  new consistency.ProjectionBehind('user statistics'),
  new IdempotencyKeyReused(),
  new auth.TokenMissing(),
  new auth.TokenInvalid('EXPIRED'),
  new auth.IssuerUnavailable(),
  new auth.PermissionMissing({ permission: 'users.read', self: 'user_id' }),
  new HeaderInvalid('unknown'),
  new DryRunInvalid(),
  new DryRunRefused(),
  new IdempotencyKeyInvalid(),
  new IdempotencyKeyRefused(),
  new ResumeTokenInvalid(),
  new ShuttingDown(),
  new HostNotAllowed('example.org'),
  new HealthUnknown('a.v1'),
  new Error('a defect'),
  Object.assign(new Error('invalid page'), { code: 'XX001' }),
  refused(Code.ResourceExhausted),
  refused(Code.Unimplemented),
  refused(Code.InvalidArgument, 'compression-undeclared'),
  refusals.unknownMethod('/a.v1.Service/Method'),
  refusals.unknownPage('at /'),
  refusals.requestTimedOut(),
  refusals.unsupportedVerb(['POST']),
  refusals.unsupportedContentType(['application/json']),
  new CommandNotFound('command-1'),
  new CommandNotReplayable('OUTCOME'),
  new RangeNotSealed('2026-11'),
  new EventTypeUnknown(['users.v1.UserMade']),
  new subscriptions.SequenceNotReached(7n),
  new subscriptions.SubscriptionNameTaken('billing'),
  new subscriptions.SubscriptionNotFound('billing'),
  new subscriptions.SubscriptionTakenOver(),
  new missing.ProjectionNotFound('orders'),
  new missing.ReactorNotFound('orders'),
  new missing.ProcessorNotFound('orders'),
  new missing.RebuildNotFound('rebuild-1'),
  new missing.DeadLetterNotFound('orders', '5'),
  new missing.TimerNotFound('timer-1'),
  new operations.ProjectionInline(),
  new operations.ProjectionNotRebuildable('orders'),
  new operations.RebuildUnderWay('rebuild-1'),
  new operations.RebuildNotRunning(),
  new operations.TimerNotFailed(),
  new users.EmailTaken('ada@example.org'),
  new users.VersionMismatch(3),
  new users.CredentialsInvalid(),
  new users.CurrentPasswordWrong(),
  new users.UserSuspended(),
  new users.UserDeleted(),
  new users.LastAdmin(),
  new users.RoleUnknown(['admin']),
  new UserNotFound('user-1'),
  new sessions.RefreshTokenInvalid('EXPIRED'),
  new sessions.SessionUnknown(),
  new sessions.ReauthenticationNeeded(),
  new passwords.PasswordTooShort('password'),
  new passwords.PasswordTooLong('password'),
  new passwords.PasswordCommon('password'),
  new passwords.PasswordPersonal('password'),
];

/** An error as its caller sees it, in the words of the contract. */
function seen(error: unknown) {
  const typed = error instanceof ConnectError ? error : toConnectError(error, undefined, unexpected);
  const [info] = typed.findDetails(ErrorInfoSchema);
  const names = typed.details.map((detail) => ('desc' in detail ? detail.desc.name : detail.type));
  return {
    domain: info?.domain,
    reason: info?.reason,
    code: codeName(typed.code),
    metadata: Object.keys(info?.metadata ?? {}),
    details: names.filter((name) => name !== 'ErrorInfo'),
  };
}

describe('an error and its contract', () => {
  const errors = new Map(ERRORS.map(seen).map((error) => [`${error.domain} ${error.reason}`, error]));
  const reasons = errorReasons();

  it('are made for each other: no reason is without an error', () => {
    expect([...errors.keys()].sort()).toEqual(reasons.map(({ domain, reason }) => `${domain} ${reason}`));
  });

  it.each(reasons.map((reason) => [`${reason.domain} ${reason.reason}`, reason] as const))(
    'agree on code, metadata and details: %s',
    (name, { meaning: _, ...stated }) => {
      expect(errors.get(name)).toEqual(stated);
    },
  );
});

describe('the reasons', () => {
  it('keep their codes, which buf does not compare', () => {
    const released = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync('proto/baseline.binpb')));
    const codes = new Map(errorReasons().map(({ domain, reason, code }) => [`${domain} ${reason}`, code]));
    const changed = errorReasons(released).filter(({ domain, reason, code }) => codes.get(`${domain} ${reason}`) !== code);
    expect(errorReasons(released).length).toBeGreaterThan(40);
    expect(changed).toEqual([]);
  });
});
