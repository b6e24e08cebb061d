import { listRing } from '../../kernel/auth/key-rotation.ts';
import type { Environment } from '../../kernel/settings.ts';
import { alignedRows } from '../aligned-rows.ts';
import { ringFolder } from './ring-folder.ts';

const MEANINGS = {
  signs: 'signs',
  next: 'verifies; signs after the next rotation',
  verifies: 'verifies',
  retired: 'verifies seals only',
} as const;

/** `bicameral keys list` */
export async function listKeys(environment: Environment, { json = false }: { json?: boolean }): Promise<void> {
  const keys = await listRing(ringFolder(environment).folder);
  if (json) process.stdout.write(`${JSON.stringify(keys)}\n`);
  else
    process.stdout.write(
      alignedRows()([['KEY', 'DOES', 'FILE'], ...keys.map(({ keyId, role, file }) => [keyId, MEANINGS[role], file])]),
    );
}
