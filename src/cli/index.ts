/** `bicameral/cli`: the command line of a service, under its own name. */
export { runCommandLine } from './command-line.ts';
export type { ServiceProgram } from './program.ts';
