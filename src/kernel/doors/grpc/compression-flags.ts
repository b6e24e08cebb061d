/** How a call of grpc-js undoes the compression of one message, which begins with its flag. */
interface DecompressingCall {
  decompressMessage(message: Buffer, encoding: string): Buffer | Promise<Buffer>;
}

/** What is said of a flag, by the text of the error. */
export const COMPRESSION_UNDECLARED = 'Received a message flagged as compressed without an encoding';
export const FLAG_UNKNOWN = 'Received a message with an unknown flag';

const INTERNAL = 13;

/**
 * Has a call look at the flag before each message. grpc-js takes a message that is flagged as compressed for plain bytes when the call
 * names no encoding, where compression.md wants INTERNAL, and takes any other flag than 0 and 1 for 0.
 *
 * `decompressMessage` is private; the version of grpc-js is pinned, and a test fails if it is no longer there.
 */
export function checkCompressionFlags(call: object): void {
  (call as DecompressingCall).decompressMessage = decompressMessage;
}

function decompressMessage(this: DecompressingCall, message: Buffer, encoding: string): Buffer | Promise<Buffer> {
  const [flag = 0] = message;
  if (flag > 1) return Promise.reject({ code: INTERNAL, details: FLAG_UNKNOWN });
  if (flag === 1 && encoding === 'identity') return Promise.reject({ code: INTERNAL, details: COMPRESSION_UNDECLARED });
  const { decompressMessage: decompress } = Object.getPrototypeOf(this) as DecompressingCall;
  return decompress.call(this, message, encoding);
}
