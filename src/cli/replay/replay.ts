import { readConfig } from '../../kernel/config.ts';
import type { Environment } from '../../kernel/settings.ts';
import { escapedText } from '../../kernel/telemetry/escaped-text.ts';
import { applicationOf, type ServiceProgram } from '../program.ts';
import { createProgressBar } from '../progress-bar.ts';
import { type ServiceClient, serviceClient } from '../service-client.ts';
import type { TrustFiles } from '../trust.ts';
import { Divergence } from './divergence.ts';
import { type Range, readRange } from './range.ts';
import { recordedCommands } from './recorded-commands.ts';
import { openReplayTarget, type ReplayTarget } from './target.ts';

/** What `bicameral replay` takes, as typed. */
export interface ReplayOptions extends TrustFiles {
  readonly from?: string;
  readonly to?: string;
  readonly into: string;
  readonly json?: boolean;
}

/** `bicameral replay`: exits with 1 when a command went another way than it is on record. */
export async function replayLog(
  program: ServiceProgram,
  { environment, options }: { environment: Environment; options: ReplayOptions },
): Promise<void> {
  const range = readRange(options);
  const service = await serviceClient(environment, { ...options, roles: ['auditor'] });
  try {
    const application = await applicationOf(program);
    const target = await openReplayTarget(application, readConfig(environment, application.modules), options.into);
    const divergence = await replayed(service, range, target).finally(target.close);
    process.stdout.write(escapedText(options.json ? divergence.json() : divergence.table()));
    if (!divergence.isNone) process.exitCode = 1;
  } finally {
    service.close();
  }
}

/** One after the other, because each decides by what those before it did. */
async function replayed(service: ServiceClient, range: Range, target: ReplayTarget): Promise<Divergence> {
  const divergence = new Divergence();
  const bar = createProgressBar('records');
  try {
    for await (const { recorded, done, total } of recordedCommands(service, range)) {
      if (recorded) divergence.add(recorded.command, await target.replay(recorded));
      bar.update(done, total);
    }
  } finally {
    bar.clear();
  }
  return divergence;
}
