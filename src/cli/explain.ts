/**
 * What went wrong, for the person at the terminal. Errors that are meant for people (they have a name of their own) say what to do in
 * their message; the others are defects and keep their stack.
 */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const missing = missingHandler(error);
  if (missing) return missing;
  const isPlanned = error.name !== 'Error' && error.name !== 'TypeError' && error.name !== 'RangeError';
  return isPlanned ? error.message : (error.stack ?? error.message);
}

/** A handler's file that the generated registry names and that is not there, in the words of the contract. */
function missingHandler(error: Error): string | undefined {
  if (!('code' in error) || error.code !== 'ERR_MODULE_NOT_FOUND') return undefined;
  const [, path, module, folder, file = ''] =
    /(src\/modules\/([\w-]+)\/(commands|queries)\/([\w-]+)\.ts)' imported/.exec(error.message) ?? [];
  if (!path) return undefined;
  const method = file.replace(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase());
  const service = folder === 'commands' ? 'CommandService' : 'QueryService';
  return `${method} of the ${module} module's ${service} has no handler: ${path} is missing.\nWrite it, or remove the rpc from the contract and run \`npm run generate\`.`;
}
