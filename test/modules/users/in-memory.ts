import { usersInMemory } from './memory/in-memory.ts';

/** Begins a test of a command of this module, in memory. */
export const { given } = usersInMemory();
