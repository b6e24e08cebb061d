/**
 * `npm run build`: makes of src/ the JavaScript, the declarations and the source maps in dist/ that the package holds, because Node.js strips
 * no types below node_modules. dist/ lies as deep as src/, so what is read at run time (gen/, proto/, vendor-proto/, package.json) is
 * found from either. Everything else in dist/ is left alone.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const TARGET = 'dist';
/** What other commands make there. */
const OTHERS: readonly string[] = ['contracts'];

// Aside first: what is there stays whole when the sources do not compile.
const fresh = mkdtempSync('.build-');
try {
  execFileSync('tsc', ['-p', 'tsconfig.build.json', '--outDir', fresh], { stdio: 'inherit' });
  for (const entry of entriesOf(TARGET)) if (!OTHERS.includes(entry)) rmSync(join(TARGET, entry), { recursive: true });
  cpSync(fresh, TARGET, { recursive: true });
} catch {
  process.exitCode = 1;
} finally {
  rmSync(fresh, { recursive: true });
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
