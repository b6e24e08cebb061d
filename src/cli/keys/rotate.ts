import { prepareKey, retireKey, rotateKeys } from '../../kernel/auth/key-rotation.ts';
import type { Environment } from '../../kernel/settings.ts';
import { ringFolder } from './ring-folder.ts';

/** `bicameral keys prepare` */
export async function prepare(environment: Environment): Promise<void> {
  const keyId = await prepareKey(ringFolder(environment).folder);
  process.stdout.write(
    `${keyId} will sign next. Give it to every instance, and restart them one by one. Ten minutes later, when everybody who caches ` +
      'the published keys has the new one too, run `bicameral keys rotate`.\n',
  );
}

/** `bicameral keys rotate` */
export async function rotate(environment: Environment, options: { unprepared?: boolean }): Promise<void> {
  const { folder, isEmbedded } = ringFolder(environment);
  const { before, now } = await rotateKeys(folder, { unprepared: isEmbedded || options.unprepared === true });
  process.stdout.write(
    `${now} signs from the next start of each instance on; ${before} verifies. When only the seals of ${before} are still needed, ` +
      `\`bicameral keys retire ${before}\` keeps its public half alone.\n`,
  );
}

/** `bicameral keys retire` */
export async function retire(environment: Environment, keyId: string): Promise<void> {
  const { file } = await retireKey(ringFolder(environment).folder, keyId);
  process.stdout.write(`${keyId} verifies seals and nothing else: ${file} holds its public half.\n`);
}
