import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { NamedStatementClient } from '../../src/kernel/database/named-statement-client.ts';
import { asAdmin, signUp } from '../support/people.ts';
import { startTestApp } from '../support/test-app.ts';

const PAGE = 'docs/statement.md';

/** The statements of commands that are sent meanwhile. */
async function sentBy(act: () => Promise<unknown>): Promise<string[]> {
  const texts: string[] = [];
  NamedStatementClient.listener = (text, purpose) => {
    if (purpose === 'bicameral commands') texts.push(text);
  };
  await act();
  NamedStatementClient.listener = undefined;
  return texts;
}

it('docs/statement.md shows what a ChangeName sends, with and without an idempotency key', async () => {
  const app = await startTestApp();
  try {
    const { id: userId } = await signUp(app);
    const plain = await sentBy(() => asAdmin(app).changeName({ userId, name: 'Ada' }));
    const headers = { 'idempotency-key': 'once' };
    const keyed = await sentBy(() => asAdmin(app).changeName({ userId, name: 'Grace' }, { headers }));

    const blocks = [plain.slice(0, 2), plain.slice(2), keyed.slice(0, 3), keyed.slice(3)].map((texts) => texts.join(';\n'));
    const page = readFileSync(PAGE, 'utf8');
    const fence = /```sql\n[\s\S]*?```/g;
    const made = page.replaceAll(fence, () => `\`\`\`sql\n${blocks.shift() ?? ''};\n\`\`\``);
    if (process.env.UPDATE_DOCS) writeFileSync(PAGE, made);
    else expect(page).toBe(made);
  } finally {
    await app.stop();
  }
});
