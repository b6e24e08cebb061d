import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { Answer } from '../../../../src/kernel/bus/answer.ts';
import { CommandAttempt } from '../../../../src/kernel/command-log/command-attempt.ts';
import type { UnitOfWork } from '../../../../src/kernel/database/write/unit-of-work.ts';
import { createWriteSide, type WriteSide } from '../../../../src/kernel/database/write/write-side.ts';
import { UserType } from '../../../../src/modules/users/persistence/user-type.ts';
import { signUp } from '../../../support/people.ts';
import { startTestApp, type TestApp } from '../../../support/test-app.ts';
import { callTo } from '../../middleware/test-call.ts';

let app: TestApp;
let side: WriteSide;
let told = 0;
beforeAll(async () => {
  app = await startTestApp();
  side = await createWriteSide(app.database.connections.writer, [UserType], {
    poolSize: 2,
    ownerDigest: () => Buffer.alloc(0),
    onEvents: () => {
      told += 1;
    },
  });
});
afterAll(async () => {
  await side.close();
  await app.stop();
});

/** One command, which renames the user; returns how often it was told of events. */
async function rename(id: string, name: string, end: 'commit' | 'write'): Promise<number> {
  const before = told;
  const call = callTo(CommandService.method.changeName);
  const work: UnitOfWork = side.unitOfWork(call, 1);
  try {
    (await work.find(UserType, id))?.changeName(name, { at: new Date() });
    await work[end](new CommandAttempt(call, { dryRun: false }).ending(new Answer(call.method, create(call.method.output))));
    return told - before;
  } finally {
    await work.rollback();
  }
}

it('the sequencer is woken by a commit that stored events, and by nothing else', async () => {
  const { id, name } = await signUp(app);
  expect(await rename(id, 'Renamed', 'commit')).toBe(1);
  // The name that it has: a command without an event.
  expect(await rename(id, 'Renamed', 'commit')).toBe(0);
  // A rehearsal.
  expect(await rename(id, name, 'write')).toBe(0);
});
