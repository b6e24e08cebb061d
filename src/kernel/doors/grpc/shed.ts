import type { ServerHttp2Stream } from 'node:http2';
import { Overloaded } from '../../bus/errors.ts';
import { toConnectError, type UnexpectedErrors } from '../../middleware/errors.ts';
import { IN_FLIGHT } from '../../middleware/load-shedding.ts';
import { statusHeaders } from './request-form.ts';

/** Answers made in advance, which differ in when to come back. */
const VARIANTS = 32;

/** Refuses a call on its HTTP/2 stream, of which grpc-js knows nothing. */
export function shedOverGrpc(unexpected: UnexpectedErrors): (stream: ServerHttp2Stream) => void {
  const answers = Array.from({ length: VARIANTS }, () =>
    statusHeaders(toConnectError(new Overloaded(IN_FLIGHT), undefined, unexpected)),
  );
  let variant = 0;
  return (stream) => {
    variant = (variant + 1) % VARIANTS;
    if (!stream.destroyed && !stream.closed) stream.respond(answers[variant], { endStream: true });
  };
}
