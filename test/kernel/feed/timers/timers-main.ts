import { runCommandLine } from '../../../../src/cli/command-line.ts';

await runCommandLine({ name: 'bicameral', load: () => import('./timers-app.ts') });
