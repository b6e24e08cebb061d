/** Says on standard error what is being waited for. */
export function createConsoleProgress(): (step: string) => void {
  return (step) => process.stderr.write(`… ${step}\n`);
}
