import { join } from 'node:path';
import { Failed, run } from './tool.ts';

/** grpcurl as a person at a terminal has it: it knows the contracts by reflection only. */
export interface Grpcurl {
  /** Runs it with these options and arguments, the address left out. Throws `Failed`. */
  readonly print: (options: readonly string[], ...args: string[]) => Promise<string>;
  readonly call: <Message>(method: string, request: object, headers?: readonly string[]) => Promise<Answer<Message>>;
  /** The error that a call is expected to end with; throws when there is none. */
  readonly refused: (method: string, request: object) => Promise<Refusal>;
}

/** An answer in JSON as protobuf defines it, and the headers that came with it, one a line. */
export interface Answer<Message> {
  readonly message: Message;
  readonly headers: string;
}

/** How grpcurl prints an error. */
export interface Refusal {
  readonly code: number;
  readonly message: string;
  readonly details: readonly ({ readonly '@type': string } & Record<string, unknown>)[];
}

export function createGrpcurl({ folder, address }: { folder: string; address: string }): Grpcurl {
  const print: Grpcurl['print'] = (options, ...args) =>
    run(join(folder, 'grpcurl'), ['-plaintext', '-max-time', '10', ...options, address, ...args]);
  return {
    print,
    async call(method, request, headers = []) {
      const sent = headers.flatMap((header) => ['-H', header]);
      const printed = await print(['-v', '-d', JSON.stringify(request), ...sent], method);
      const [, received = '', message = ''] =
        /^Response headers received:\n(.*?)\n\nResponse contents:\n(.*?)\n\nResponse trailers/ms.exec(printed) ?? [];
      return { message: JSON.parse(message), headers: received };
    },
    async refused(method, request) {
      try {
        await print(['-format-error', '-d', JSON.stringify(request)], method);
      } catch (error) {
        if (error instanceof Failed) return JSON.parse(error.stderr);
        throw error;
      }
      throw new Error(`${method} did not fail`);
    },
  };
}
