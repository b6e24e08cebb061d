import { describe, expect, it } from '@jest/globals';
import { Answer } from '../../../src/kernel/bus/answer.ts';
import { Conflict, DatabaseUnavailable } from '../../../src/kernel/bus/errors.ts';
import { CommandAttempt, commandAttemptKey } from '../../../src/kernel/command-log/command-attempt.ts';
import { type UnitOfWork, unitOfWorkKey } from '../../../src/kernel/database/write/unit-of-work.ts';
import { unitOfWork } from '../../../src/kernel/middleware/unit-of-work.ts';
import { CommandService } from '../../gen/conformance/v1/conformance_pb.js';
import { callTo, pass } from './test-call.ts';

const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

/** Runs a command whose handler, or whose commit, fails as said; tells what became of its unit of work. */
async function runCommand({ handler, commit, dryRun = false }: { handler?: Error; commit?: Error; dryRun?: boolean }) {
  const happened: string[] = [];
  const work = {
    commit: async () => {
      happened.push('commit');
      if (commit) throw commit;
    },
    write: async () => {
      happened.push('write');
    },
    rollback: async () => {
      happened.push('rollback');
    },
  } as unknown as UnitOfWork;
  const call = callTo(CommandService.method.echo);
  const attempt = new CommandAttempt(call, { dryRun });
  call.contextValues.set(commandAttemptKey, attempt);
  for (let before = 0; before < 2; before += 1) attempt.startTry();
  const begin = (_: unknown, tryNumber: number): UnitOfWork => {
    happened.push(`begin ${tryNumber}`);
    return work;
  };
  const outcome = await pass(unitOfWork(begin), call, handler).catch((error: unknown) => error);
  const isRecorded = outcome instanceof Answer && outcome.commandId === call.id;
  return { happened, outcome, given: call.contextValues.get(unitOfWorkKey) === work, isRecorded };
}

describe('unitOfWork', () => {
  it('commits when the handler has answered, and gives the handler its unit of work', async () => {
    expect(await runCommand({})).toMatchObject({ happened: ['begin 3', 'commit'], given: true, isRecorded: true });
  });

  it('writes a dry run as any other command, rolls it back, and leaves its record to others', async () => {
    const happened = ['begin 3', 'write', 'rollback'];
    expect(await runCommand({ dryRun: true })).toMatchObject({ happened, given: true, isRecorded: false });
  });

  it('rolls back when the handler refuses or fails, and passes its error on', async () => {
    const error = new Conflict();
    expect(await runCommand({ handler: error })).toMatchObject({ happened: ['begin 3', 'rollback'], outcome: error });
  });

  it('fails when the commit fails, in the words of the bus', async () => {
    const { happened, outcome } = await runCommand({ commit: refused });
    expect(happened).toEqual(['begin 3', 'commit', 'rollback']);
    expect(outcome).toBeInstanceOf(DatabaseUnavailable);
  });
});
