import { Code } from '@connectrpc/connect';

/** The name of a code as the gRPC specification writes it, e.g. `NOT_FOUND`; `OK` when there was no error. */
export function codeName(code: Code | undefined): string {
  if (code === undefined) return 'OK';
  return names.get(code) ?? 'UNKNOWN';
}

const names: ReadonlyMap<Code, string> = new Map(
  Object.entries(Code)
    .filter((entry): entry is [string, Code] => typeof entry[1] === 'number')
    // gRPC has two L in CANCELLED, Connect has one.
    .map(([name, code]) => [code, code === Code.Canceled ? 'CANCELLED' : upperSnake(name)]),
);

function upperSnake(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
}
