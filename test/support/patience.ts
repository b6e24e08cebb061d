/**
 * How long a test waits for what has to happen, in milliseconds. It decides nothing but when to give up: generous, so that a machine
 * that does other things too changes no verdict, and longer still with TEST_PATIENCE=2, 3, ...
 */
export const PATIENCE = 120_000 * Number(process.env.TEST_PATIENCE ?? 1);

/** Longer than any test waits, in milliseconds: what takes so long has to be cut short, or the test hangs. */
export const FOREVER = 86_400_000;
