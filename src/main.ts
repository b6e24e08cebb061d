#!/usr/bin/env node
/** The program: `bicameral serve` and the other subcommands. */
import { runCommandLine } from './cli/command-line.ts';

await runCommandLine(process.argv, process.env);
