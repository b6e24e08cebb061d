/** `bicameral/audit`: the module that shows the log of commands, `audit.v1`. */
export { audit } from './module.ts';
