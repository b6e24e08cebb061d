import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from '@jest/globals';
import { BadRequestSchema, ErrorInfoSchema, PreconditionFailureSchema } from '#gen/google/rpc/error_details_pb.js';
import { CommandService as UserCommands } from '#gen/users/v1/command_service_pb.js';
import type { Answer } from '../../../src/kernel/bus/answer.ts';
import type { Message } from '../../../src/kernel/bus/call.ts';
import { Conflict, InvalidRequest } from '../../../src/kernel/bus/errors.ts';
import { errors, toConnectError, type UnexpectedErrors } from '../../../src/kernel/middleware/errors.ts';
import { CommandService, QueryService } from '../../gen/conformance/v1/conformance_pb.js';
import { Failure } from '../../support/conformance-service.ts';
import { callTo, pass } from './test-call.ts';

const { echo } = CommandService.method;

type Reported = Parameters<UnexpectedErrors['report']>[0];

function log(): UnexpectedErrors & { reported: Reported[] } {
  const reported: Reported[] = [];
  return { reported, newId: () => 'id-1', report: (unexpected) => reported.push(unexpected) };
}

async function rejection(promise: Promise<unknown>): Promise<ConnectError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw new Error('expected a ConnectError', { cause: error });
  return error;
}

describe('errors', () => {
  it('tells what of the call may not be written, with an error that nobody planned', async () => {
    const unexpected = log();
    const call = callTo(UserCommands.method.changePassword, {
      request: { userId: 'u', currentPassword: 'the old one', newPassword: 'the new one' },
      header: { authorization: 'Bearer the.token', 'idempotency-key': 'the key' },
    });
    await rejection(pass(errors(unexpected), call, new TypeError('broken')));
    expect(unexpected.reported[0]?.hidden).toEqual(['the old one', 'the new one', 'the.token', 'the key']);

    const signUp = callTo(UserCommands.method.createUser, { request: { email: 'ada@example.org', name: 'Ada', password: 'pw' } });
    await rejection(pass(errors(unexpected), signUp, new TypeError('broken')));
    expect(unexpected.reported[1]?.hidden).toEqual(['ada@example.org', 'Ada', 'pw']);
  });

  it('lets an answer pass', async () => {
    const answer = await pass(errors(log()), callTo(echo));
    expect(answer.method).toBe(echo);
  });

  it('types an error of a module with the package of its reason', async () => {
    const error = await rejection(pass(errors(log()), callTo(echo), new Failure('not-found')));
    expect(error.code).toBe(Code.NotFound);
    expect(error.findDetails(ErrorInfoSchema)[0]).toMatchObject({ reason: 'FAILURE', domain: 'conformance.v1' });
  });

  it('types an error of the bus with the domain of the bus', async () => {
    const error = await rejection(pass(errors(log()), callTo(echo), new Conflict()));
    expect(error.findDetails(ErrorInfoSchema)[0]).toMatchObject({ reason: 'CONFLICT', domain: 'cqrs.v1' });
  });

  it('lists every violated field', async () => {
    const violations = [
      { field: 'email', description: 'must be an e-mail', rule: 'string.email' },
      { field: 'name', description: 'must not be empty' },
    ];
    const error = await rejection(pass(errors(log()), callTo(echo), new InvalidRequest(violations)));
    expect(error.findDetails(BadRequestSchema)[0]?.fieldViolations).toMatchObject([
      { field: 'email', description: 'must be an e-mail', reason: 'STRING_EMAIL' },
      { field: 'name', description: 'must not be empty', reason: '' },
    ]);
  });

  it('names the broken precondition', async () => {
    const error = await rejection(pass(errors(log()), callTo(echo), new Failure('precondition')));
    expect(error.findDetails(PreconditionFailureSchema)[0]?.violations).toMatchObject([{ type: 'FAILURE' }]);
  });

  it('hides an unexpected error behind an id and reports it', async () => {
    const unexpected = log();
    const bug = new Error('select secret from users');
    const error = await rejection(pass(errors(unexpected), callTo(echo), bug));
    expect([error.code, error.rawMessage]).toEqual([Code.Internal, 'internal error']);
    expect(error.findDetails(ErrorInfoSchema)[0]).toMatchObject({ reason: 'INTERNAL', metadata: { error_id: 'id-1' } });
    expect(unexpected.reported).toEqual([
      { error: bug, errorId: 'id-1', method: 'conformance.v1.CommandService/Echo', traceId: undefined, hidden: [] },
    ]);
  });

  it.each(['XX001', 'XX000', '58P01'])('tells of a damaged database (%s) by an id, and reports it', async (code) => {
    const unexpected = log();
    const damage = Object.assign(new Error('invalid page in block 0 of relation base/5/16384'), { code });
    const error = await rejection(pass(errors(unexpected), callTo(echo), damage));
    expect([error.code, error.rawMessage]).toEqual([Code.DataLoss, 'the database is damaged']);
    expect(error.findDetails(ErrorInfoSchema)[0]).toMatchObject({ reason: 'DATABASE_DAMAGED', metadata: { error_id: 'id-1' } });
    expect(unexpected.reported).toMatchObject([{ error: damage, errorId: 'id-1' }]);
  });

  it('hides a ConnectError that says nothing of its reason', async () => {
    const unexpected = log();
    const error = await rejection(pass(errors(unexpected), callTo(echo), new ConnectError('at 10.0.0.1', Code.NotFound)));
    expect([error.code, error.rawMessage]).toEqual([Code.Internal, 'internal error']);
    expect(unexpected.reported).toHaveLength(1);
  });

  it('lets a ConnectError with ErrorInfo pass', async () => {
    const unexpected = log();
    const typed = toConnectError(new Failure('conflict'), echo, unexpected);
    expect(await rejection(pass(errors(unexpected), callTo(echo), typed))).toBe(typed);
    expect(unexpected.reported).toEqual([]);
  });

  it('types the error that ends a stream', async () => {
    const unexpected = log();
    async function* broken(): AsyncGenerator<Message> {
      yield { $typeName: 'conformance.v1.CountResponse' };
      throw new Error('secret');
    }
    const answer = (await pass(errors(unexpected), callTo(QueryService.method.count), broken())) as Answer<
      AsyncIterable<Message>
    >;
    const seen: Message[] = [];
    const error = await rejection(
      (async () => {
        for await (const message of answer.message) seen.push(message);
      })(),
    );
    expect(seen).toHaveLength(1);
    expect(error.code).toBe(Code.Internal);
    expect(unexpected.reported).toHaveLength(1);
  });

  it('keeps the details small enough for the trailers of every client', () => {
    const violations = Array.from({ length: 500 }, () => ({ field: 'f'.repeat(5000), description: 'd'.repeat(5000) }));
    const error = toConnectError(new InvalidRequest(violations), echo, log());
    expect(error.rawMessage.length).toBeLessThan(600);
    expect(JSON.stringify(error.findDetails(BadRequestSchema)).length).toBeLessThan(10_000);
  });

  it('makes a message with half a surrogate pair fit for a header', () => {
    const error = toConnectError(new InvalidRequest([{ field: '', description: 'bad \ud83c' }]), echo, log());
    expect(error.rawMessage.isWellFormed()).toBe(true);
  });
});
