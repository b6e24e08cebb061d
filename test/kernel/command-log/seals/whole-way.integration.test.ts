import { createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Outcome } from '#gen/audit/v1/command_record_pb.js';
import { CommandService as AuditCommands } from '#gen/audit/v1/command_service_pb.js';
import { QueryService as AuditQueries } from '#gen/audit/v1/query_service_pb.js';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { commandIdOf } from '../../../support/command-id.ts';
import { grpcJsTransport } from '../../../support/grpc-js-transport.ts';
import { asAdmin, logIn, signUp } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

describe('a command over gRPC', () => {
  it('is on record for an auditor who asks for it, lists, watches or runs it again', async () => {
    const transport = grpcJsTransport(`127.0.0.1:${app.app.grpcPort}`);
    try {
      const auditor = await signUp(app);
      await asAdmin(app).grantRole({ userId: auditor.id, role: 'auditor' });
      const headers = { authorization: `Bearer ${await logIn(app, auditor)}` };
      const change = { userId: auditor.id, name: 'Ada' };
      const commandId = await commandIdOf((onHeader) =>
        createClient(CommandService, transport).changeName(change, { headers, onHeader }),
      );

      const audit = createClient(AuditQueries, transport);
      const { command, events } = await audit.getCommand({ commandId }, { headers });
      expect(command).toMatchObject({
        commandId,
        method: 'users.v1.CommandService/ChangeName',
        principal: auditor.id,
        roles: ['auditor'],
        session: expect.stringMatching(/^[0-9a-f-]{36}$/),
        request: change,
        outcome: Outcome.SUCCEEDED,
        peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
        userAgent: expect.stringMatching(/^grpc-node-js/),
      });
      expect(events).toMatchObject([{ type: 'users.v1.UserNameChanged', payload: { name: 'Ada' } }]);

      // A replica can be behind.
      const strong = { ...headers, 'cqrs-consistency': 'strong' };
      const { commands } = await audit.listCommands({ target: auditor.id, actor: auditor.id }, { headers: strong });
      expect(commands.map((listed) => listed.commandId)).toEqual([commandId]);

      for await (const { event } of audit.watchCommands({ afterSequence: 0n }, { headers })) {
        if (event.case !== 'command' || event.value.commandId !== commandId) continue;
        expect(event.value).toMatchObject({ request: change, sequence: expect.any(BigInt) });
        break;
      }

      const replayed = await createClient(AuditCommands, transport).replayCommand({ commandId }, { headers });
      // The name is Ada's already.
      expect(replayed).toMatchObject({ same: false, outcome: Outcome.SUCCEEDED, events: [] });
      expect(replayed.differences.map(({ aspect }) => aspect)).toEqual(['version', 'events']);
    } finally {
      transport.close();
    }
  });
});
