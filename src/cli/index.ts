/**
 * The command line of a service, under its own name.
 *
 * @module bicameral/cli
 */
export { runCommandLine } from './command-line.ts';
export type { ServiceProgram } from './program.ts';
