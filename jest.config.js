/** Only a test that hangs meets it, in milliseconds: what a test waits for has a limit of its own (test/support/patience.ts). */
const LONGEST = 600_000 * Number(process.env.TEST_PATIENCE ?? 1);

/**
 * Three levels by suffix: *.unit.test.ts (milliseconds, no database), *.integration.test.ts (real PostgreSQL, primary and replica,
 * one cluster a run), *.e2e.test.ts (the program itself). One level alone: npm test -- --selectProjects unit
 */
const level = (name) => ({
  displayName: name,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  testMatch: [`<rootDir>/test/**/*.${name}.test.ts`],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
});

const cluster = {
  globalSetup: '<rootDir>/test/global-setup.ts',
  globalTeardown: '<rootDir>/test/global-teardown.ts',
};

// Programs that tests start share the machine, and with it the address of its metrics.
process.env.METRICS_ADDRESS ??= '127.0.0.1:0';

export default {
  projects: [level('unit'), { ...level('integration'), ...cluster }, level('e2e')],
  maxWorkers: 2,
  testTimeout: LONGEST,
};
