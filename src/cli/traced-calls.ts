import type { Command } from 'commander';
import { sendsTraces } from '../kernel/config/telemetry.ts';
import type { Environment } from '../kernel/settings.ts';
import { followCalls } from '../kernel/telemetry/active-trace.ts';
import { escapedText } from '../kernel/telemetry/escaped-text.ts';
import type { Sdk } from '../kernel/telemetry/sdk.ts';
import { callsService } from './service-options.ts';

/**
 * Has the calls of a subcommand recorded where the environment names a collector for traces, so that a trace begins where the operator
 * is. It goes by the name `bicameral-cli`.
 */
export async function traceCallsOf(command: Command, environment: Environment): Promise<Sdk | undefined> {
  if (!callsService(command) || !sendsTraces(environment)) return undefined;
  followCalls();
  const { startSdk } = await import('../kernel/telemetry/sdk.ts');
  const warn = (...parts: unknown[]): unknown => process.stderr.write(escapedText(`${parts.at(-1)}\n`));
  return await startSdk({ serviceName: 'bicameral-cli', trustRemote: false, logger: { warn, info: () => {} } as never });
}

/** Sends what was recorded, and ends the process: a request to a collector that is away would keep it for seconds. */
export async function endTraced(sdk: Sdk): Promise<never> {
  await sdk.shutdown();
  for (const stream of [process.stdout, process.stderr]) await new Promise((written) => stream.write('', written));
  process.exit();
}
