import { inMemory } from 'bicameral/testing';
import { farmShop } from '../../../src/modules/farm_shop/module.ts';

/** Begins a test of a command of this module, in memory. */
export const { given } = inMemory(farmShop, { parts: {} });
