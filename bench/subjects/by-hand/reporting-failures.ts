type Handler = (request: never) => Promise<unknown>;

/** The same handlers, which leave a line for each call that fails. The benchmark counts these lines. */
export function reportingFailures<Handlers extends object>(handlers: Handlers): Handlers {
  const report = (error: unknown): never => {
    process.stdout.write(`${JSON.stringify({ code: 'FAILED', error: String(error) })}\n`);
    throw error;
  };
  const wrapped = Object.entries(handlers).map(([name, handler]) => [
    name,
    (request: never) => (handler as Handler)(request).catch(report),
  ]);
  return Object.fromEntries(wrapped) as Handlers;
}
