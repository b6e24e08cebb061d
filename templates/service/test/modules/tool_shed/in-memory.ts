import { inMemory } from 'bicameral/testing';
import { toolShed } from '../../../src/modules/tool_shed/module.ts';

/** Begins a test of a command of this module, in memory. */
export const { given } = inMemory(toolShed, { parts: {} });
