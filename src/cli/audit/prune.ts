import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { CommandService } from '#gen/audit/v1/command_service_pb.js';
import type { Environment } from '../../kernel/settings.ts';
import { escapedText } from '../../kernel/telemetry/escaped-text.ts';
import { time } from '../option-values.ts';
import { serviceClient } from '../service-client.ts';
import type { TrustFiles } from '../trust.ts';

/** `bicameral audit prune` */
export async function pruneCommands(
  environment: Environment,
  options: TrustFiles & { before: string; json?: boolean },
): Promise<void> {
  const before = timestampFromDate(time('--before', options.before));
  const { client, close } = await serviceClient(environment, { ...options, roles: ['admin'] });
  try {
    const { months, records } = await client(CommandService).pruneCommands({ before });
    process.stdout.write(
      escapedText(options.json ? `${JSON.stringify({ months, records: Number(records) })}\n` : told(months, records)),
    );
  } finally {
    close();
  }
}

function told(months: readonly string[], records: bigint): string {
  if (months.length === 0) return 'No month of the log ends before that time.\n';
  return `Removed ${records.toLocaleString('en')} records of ${months.join(', ')}.\n`;
}
