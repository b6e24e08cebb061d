import { Overloaded } from '../../bus/errors.ts';
import { toConnectError, type UnexpectedErrors } from '../../middleware/errors.ts';
import { IN_FLIGHT } from '../../middleware/load-shedding.ts';
import type { Exchange, HttpRequest } from './http-route.ts';
import { type Form, formOf, sendForm } from './refuse.ts';
import { type Protocol, spokenProtocol } from './spoken-protocol.ts';

/** Answers made in advance for each protocol, which differ in when to come back. */
const VARIANTS = 32;
const TOO_MANY_REQUESTS = 429;

/** Refuses a call before Connect reads its message. */
export function shedOverConnect(unexpected: UnexpectedErrors): (exchange: Exchange) => void {
  const forms = new Map<Protocol, Form[]>();
  let variant = 0;

  function variantsIn(protocol: Protocol): Form[] {
    let variants = forms.get(protocol);
    if (!variants) {
      variants = Array.from({ length: VARIANTS }, () => refusalIn(protocol, unexpected));
      forms.set(protocol, variants);
    }
    return variants;
  }

  return ({ request, response }) => {
    const spoken = spokenProtocol(request.headers['content-type'] ?? '');
    variant = (variant + 1) % VARIANTS;
    const form = variantsIn(spoken.protocol)[variant];
    // What the caller still sends is read and forgotten, so that its connection can go on.
    request.resume();
    if (form && !response.destroyed) sendForm(response, spoken, form);
  };
}

function refusalIn(protocol: Protocol, unexpected: UnexpectedErrors): Form {
  const overloaded = new Overloaded(IN_FLIGHT);
  const error = toConnectError(overloaded, undefined, unexpected);
  const headers = { 'retry-after': String(Math.ceil(overloaded.retryAfterMs / 1000)) };
  return formOf(protocol, { error, httpStatus: TOO_MANY_REQUESTS, headers: protocol === 'connect' ? headers : {} });
}

/** What a caller has open: over HTTP/1.1 one call at a time. */
export const connectionOf = (request: HttpRequest): object =>
  'stream' in request ? (request.stream.session ?? request.stream) : request.socket;
