import { available, run, type Tool } from '../interop/tool.ts';

/** Debian's package prometheus has both programs. */
export const prometheus: Tool = await available(async () => {
  for (const program of ['prometheus', 'promtool']) await run(program, ['--version']);
  return '';
});
