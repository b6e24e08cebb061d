/**
 * Jest loads ES modules only with these flags of Node.js. Whatever starts it without them, be it `npm test`, `npx jest` or an editor, becomes
 * the same program with them. They are no part of NODE_OPTIONS, which programs that tests start inherit.
 */
const FLAGS = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
const { NODE_OPTIONS = '', npm_lifecycle_event: script } = process.env;
if (script === 'test' && NODE_OPTIONS.includes('--inspect')) {
  console.error(
    'With NODE_OPTIONS the debugger is in npm and not in the tests. Run `npm run test:debug -- PATH`: see docs/development.md.',
  );
  process.exit(1);
}
if (![...process.execArgv, ...NODE_OPTIONS.split(' ')].includes(FLAGS[0]))
  process.execve(process.execPath, [process.execPath, ...FLAGS, ...process.execArgv, ...process.argv.slice(1)]);

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
  // Modules of a suite stay in the memory of its worker (--experimental-vm-modules): without this, the workers of a whole run reach the end of their heap.
  workerIdleMemoryLimit: '2GB',
  testTimeout: LONGEST,
};
