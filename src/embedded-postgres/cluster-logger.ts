/** What the cluster asks of a logger; a pino logger is one. */
export interface ClusterLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLogger: ClusterLogger = { info: () => {}, warn: () => {}, error: () => {} };
