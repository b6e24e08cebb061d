/** What the calls of one load say. A gRPC or Connect body, or the paths of calls by GET. */
export type Requests =
  | { readonly kind: 'fixed'; readonly body: Uint8Array }
  /** Another user, and where the template has one another serial number, many times a second. */
  | { readonly kind: 'changing'; readonly template: BodyTemplate; readonly users: number }
  | { readonly kind: 'paths'; readonly paths: readonly string[] };

/** A body with places for a user's number and for a serial number, each of `DIGITS` digits. */
export type BodyTemplate = (user: string, serial: string) => Uint8Array;

/** How many digits stand for a user or a serial number. */
export const DIGITS = 12;

const USER_MARK = '718281828459';
const SERIAL_MARK = '314159265358';

/** A body in which the digits at two places are to be written over; undefined where it has no such place. */
export interface PreparedBody {
  readonly bytes: Buffer;
  readonly userAt: number | undefined;
  readonly serialAt: number | undefined;
}

/** Makes the body once and finds its places, so that another body costs a copy of a few digits. */
export function prepareBody(template: BodyTemplate): PreparedBody {
  const bytes = Buffer.from(template(USER_MARK, SERIAL_MARK));
  const place = (mark: string): number | undefined => {
    const at = bytes.indexOf(mark);
    return at === -1 ? undefined : at;
  };
  return { bytes, userAt: place(USER_MARK), serialAt: place(SERIAL_MARK) };
}

/** A number as it stands in a body. */
export function digits(number: number): string {
  return String(number).padStart(DIGITS, '0');
}

/** A message in a gRPC frame: not compressed, length, bytes (gRPC over HTTP/2, "Length-Prefixed-Message"). */
export function grpcFrame(message: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}
