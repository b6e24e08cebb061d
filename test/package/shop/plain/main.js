import { runCommandLine } from 'bicameral/cli';

await runCommandLine({ name: 'plain-shop', load: () => import('./app.js') });
