import type { Client } from '@connectrpc/connect';
import { CommandService } from '#gen/operations/v1/command_service_pb.js';
import type { Environment } from '../../kernel/settings.ts';
import { print } from '../print.ts';
import { serviceClient } from '../service-client.ts';
import type { TrustFiles } from '../trust.ts';

/** What `pause` and `resume` take, as typed. */
export interface Pause {
  readonly name: string;
  readonly paused: boolean;
  readonly options: TrustFiles & { readonly json?: boolean };
}

/** `bicameral projection pause` and `bicameral projection resume` */
export const setProjectionPaused = (environment: Environment, pause: Pause): Promise<void> =>
  setPaused(environment, pause, (commands, projection) =>
    pause.paused ? commands.pauseProjection({ projection }) : commands.resumeProjection({ projection }),
  );

/** `bicameral reactor pause` and `bicameral reactor resume` */
export const setReactorPaused = (environment: Environment, pause: Pause): Promise<void> =>
  setPaused(environment, pause, (commands, reactor) =>
    pause.paused ? commands.pauseReactor({ reactor }) : commands.resumeReactor({ reactor }),
  );

async function setPaused(
  environment: Environment,
  { name, paused, options }: Pause,
  send: (commands: Client<typeof CommandService>, name: string) => Promise<{ readonly changed: boolean }>,
): Promise<void> {
  const { client, close } = await serviceClient(environment, { ...options, roles: ['operator'] });
  try {
    const { changed } = await send(client(CommandService), name);
    const state = paused ? 'is paused' : 'goes on';
    const sentence = changed ? `${name} ${state}.` : `${name} ${paused ? 'was paused' : 'was not paused'} before.`;
    await print(options.json ? `${JSON.stringify({ name, paused, changed })}\n` : `${sentence}\n`);
  } finally {
    close();
  }
}
