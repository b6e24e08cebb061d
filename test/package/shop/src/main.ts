import { runCommandLine } from 'bicameral/cli';

await runCommandLine({ name: 'shop', description: 'Greets customers.', load: () => import('./app.ts') });
