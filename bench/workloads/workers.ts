import type { Bench } from '../bench.ts';
import { compare } from '../compare.ts';
import { pin, shares } from '../load/processors.ts';
import type { Subject } from '../subjects/subject.ts';
import type { Findings, Workload } from '../workload.ts';
import { loadOfGetUser } from './get-user.ts';

const MANY = 2;
const cpus = shares(MANY);

export const workers: Workload = {
  name: 'workers',
  about: `GetUser over gRPC, over all users, 64 in flight, with WORKERS=${MANY} and with one process${
    cpus
      ? `; the service has the processors ${cpus.subject}, and what loads it ${cpus.others}`
      : `; this machine has fewer than ${2 * MANY} processors: they share them with the driver and PostgreSQL, and the goal cannot be met`
  }`,
  run: async (bench): Promise<Findings> => {
    // h2load runs where this process does.
    if (cpus) await pin(process.pid, cpus.others);
    try {
      return await compare(bench, {
        contenders: [MANY, 1].map((count) => ({
          name: `${count} of them`,
          subject: 'ours',
          environment: { WORKERS: String(count) },
          load: (subject) => loadPinned(bench, subject),
        })),
        goals: [{ of: `${MANY} of them`, to: '1 of them', goal: { atLeast: 1.7 } }],
      });
    } finally {
      if (cpus) await pin(process.pid, cpus.all);
    }
  },
};

async function loadPinned(bench: Bench, subject: Subject): ReturnType<typeof loadOfGetUser> {
  if (cpus) await pin(subject.pid, cpus.subject);
  return await loadOfGetUser(bench, subject);
}
