#!/usr/bin/env node
/** The program: `bicameral serve` and the other subcommands. */
import { runCommandLine } from './cli/command-line.ts';

await runCommandLine({ name: 'bicameral', load: () => import('./app.ts') });
