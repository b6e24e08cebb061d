import type { Stats } from 'node:fs';

/** Group may write or run it, or anybody else may do anything. */
const TOO_OPEN = 0o037;
const GROUP_MAY_READ = 0o040;

/**
 * What is wrong with the mode of a file that holds a private key, with the remedy; undefined when nobody but its owner can read it.
 *
 * The rule is that of PostgreSQL for `ssl_key_file` (manual, 18.9.1): nothing for group and others, but the group may read a file of
 * root. So a key of Kubernetes passes as `fsGroup` hands it out (root, 0440), and not with the mode that a Secret has by default (0644).
 */
export function openFileProblem({ mode, uid }: Pick<Stats, 'mode' | 'uid'>): string | undefined {
  if (process.platform === 'win32') return undefined;
  const isOpen = (mode & TOO_OPEN) !== 0 || ((mode & GROUP_MAY_READ) !== 0 && uid !== 0);
  if (!isOpen) return undefined;
  const octal = (mode & 0o777).toString(8).padStart(4, '0');
  return `can be read or changed by others (mode ${octal}): run \`chmod 600\` on it, or set \`defaultMode: 0400\` for a Secret of Kubernetes`;
}
