import { mediaType } from '../media-type.ts';

/**
 * The protocols of the Connect door. `connect-stream` is Connect's for rpcs with a stream, `grpc-web-text` gRPC-Web in base64, and
 * `http` stands for a request that speaks none of them.
 */
export type Protocol = 'connect' | 'connect-stream' | 'grpc' | 'grpc-web' | 'grpc-web-text' | 'http';

/** What a call speaks, and its media type as Connect's handlers know it. */
export interface Spoken {
  readonly protocol: Protocol;
  readonly mediaType: string;
}

/** By the beginning of the media type: the rest names the format of the messages. */
const PREFIXES: readonly (readonly [string, Protocol])[] = [
  ['application/grpc-web-text', 'grpc-web-text'],
  ['application/grpc-web', 'grpc-web'],
  ['application/grpc', 'grpc'],
  ['application/connect+', 'connect-stream'],
  ['application/json', 'connect'],
  ['application/proto', 'connect'],
];

/** Reads the protocol from the content type. Without one it is Connect's, which has none when it is called by GET. */
export function spokenProtocol(contentType: string): Spoken {
  if (contentType === '') return UNSAID;
  const known = KNOWN.get(contentType);
  if (known) return known;
  const type = mediaType(contentType);
  return { protocol: protocolOf(type), mediaType: type };
}

function protocolOf(type: string): Protocol {
  const [, protocol = 'http'] = PREFIXES.find(([prefix]) => isOf(type, prefix)) ?? [];
  return protocol;
}

/** `application/grpc+proto` is of `application/grpc`, `application/grpcurl` is not. */
function isOf(type: string, prefix: string): boolean {
  return type.startsWith(prefix) && (prefix.endsWith('+') || type === prefix || type[prefix.length] === '+');
}

const UNSAID: Spoken = { protocol: 'connect', mediaType: '' };

/** What nearly every call says needs no parsing. */
const KNOWN: ReadonlyMap<string, Spoken> = new Map(
  [
    'application/json',
    'application/proto',
    'application/connect+json',
    'application/connect+proto',
    'application/grpc',
    'application/grpc+proto',
    'application/grpc-web',
    'application/grpc-web+proto',
  ].map((type) => {
    return [type, { protocol: protocolOf(type), mediaType: type }] as const;
  }),
);
