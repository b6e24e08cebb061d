import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './tool.ts';

/** What the story of every page in docs/clients prints. */
export const TOLD = `signed up Ada Byron
renamed Ada Lovelace 2
renamed Ada Lovelace 2
read Ada Lovelace
updated Countess Ada Lovelace 3
refused users.v1 EMAIL_TAKEN
`;

/** A block of a page in docs/clients, by its language, and by its file where the page has several. Throws when there is none. */
export function pageCode(page: string, language: string, file?: string): string {
  const text = readFileSync(join(ROOT, 'docs/clients', page), 'utf8');
  const [, code] = new RegExp(`^\`\`\`${file ? `${language} ${file}` : language}\\n(.*?)^\`\`\`$`, 'ms').exec(text) ?? [];
  if (!code) throw new Error(`docs/clients/${page} has no code in ${language}`);
  return code;
}
