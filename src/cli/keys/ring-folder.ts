import { RotationRefused } from '../../kernel/auth/key-rotation.ts';
import { readConfig } from '../../kernel/config.ts';
import type { Environment } from '../../kernel/settings.ts';

/** Where the ring is. Throws RotationRefused when AUTH_SIGNING_KEY_FILE names a single key. */
export function ringFolder(environment: Environment): { folder: string; isEmbedded: boolean } {
  const { signingKeys, database } = readConfig(environment);
  if (signingKeys.kind === 'folder') return { folder: signingKeys.folder, isEmbedded: database.kind === 'embedded' };
  throw new RotationRefused(
    'AUTH_SIGNING_KEY_FILE names one key. To have several, put it into a folder of its own as signing-key.pem, and name the folder ' +
      'with AUTH_SIGNING_KEYS instead.',
  );
}
