/**
 * The module that shows how a service does, and that its operators work with, `operations.v1`.
 *
 * @module bicameral/operations
 */
export { operations } from './module.ts';
