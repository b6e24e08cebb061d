/**
 * The module that gives the feed of events to other services, `events.v1`.
 *
 * @module bicameral/events
 */
export { events } from './module.ts';
