import { toJsonString } from '@bufbuild/protobuf';
import { HeadSchema, QueryService } from '#gen/audit/v1/query_service_pb.js';
import type { Environment } from '../../kernel/settings.ts';
import { escapedText } from '../../kernel/telemetry/escaped-text.ts';
import { serviceClient } from '../service-client.ts';
import type { TrustFiles } from '../trust.ts';

class NothingSealed extends Error {
  constructor() {
    super('The log has no head: nothing is sealed yet.');
    this.name = 'NothingSealed';
  }
}

/** `bicameral audit head` */
export async function printHead(environment: Environment, options: TrustFiles): Promise<void> {
  const { client, close } = await serviceClient(environment, { ...options, roles: ['auditor'] });
  try {
    const { head } = await client(QueryService).getHead({});
    if (!head) throw new NothingSealed();
    process.stdout.write(escapedText(`${toJsonString(HeadSchema, head, { prettySpaces: 2 })}\n`));
  } finally {
    close();
  }
}
