/** Loaded before the service (`node --import`): it then runs without what numbers events, and is otherwise the same. */
import { registerHooks } from 'node:module';

const NO_SEQUENCER = 'export const startSequencer = () => ({ wake: () => {}, stop: async () => {} });';

registerHooks({
  load: (url, context, next) =>
    url.endsWith('/src/kernel/feed/sequencer.ts')
      ? { format: 'module', source: NO_SEQUENCER, shortCircuit: true }
      : next(url, context),
});
