/**
 * The module that shows the log of commands, `audit.v1`.
 *
 * @module bicameral/audit
 */
export { audit } from './module.ts';
