import { Code } from '@connectrpc/connect';

/** The name of a code as the gRPC specification writes it, e.g. `NOT_FOUND`; `OK` when there was no error. */
export function codeName(code: Code | undefined): string {
  if (code === undefined) return 'OK';
  return names.get(code) ?? 'UNKNOWN';
}

/** Whether the semantic conventions of OpenTelemetry count a code as a failure of the server: the others are a caller's, or nobody's. */
export const isFault = (name: string): boolean => FAULTS.has(name);

const FAULTS: ReadonlySet<string> = new Set([
  'UNKNOWN',
  'DEADLINE_EXCEEDED',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
]);

const names: ReadonlyMap<Code, string> = new Map(
  Object.entries(Code)
    .filter((entry): entry is [string, Code] => typeof entry[1] === 'number')
    // gRPC has two L in CANCELLED, Connect has one.
    .map(([name, code]) => [code, code === Code.Canceled ? 'CANCELLED' : upperSnake(name)]),
);

function upperSnake(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
}
