/** The program: `node src/main.ts serve` and the other subcommands. */
import { runCommandLine } from 'bicameral/cli';

await runCommandLine({ name: 'village-green', load: () => import('./app.ts') });
