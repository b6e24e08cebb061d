import type { DescService } from '@bufbuild/protobuf';
import { type Client, Code, ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { Reason } from '#gen/cqrs/v1/reasons_pb.js';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import type { AccessToken } from '../kernel/auth/access-token.ts';
import { type Config, readConfig } from '../kernel/config.ts';
import { parseAddress } from '../kernel/doors/address.ts';
import type { Environment } from '../kernel/settings.ts';
import { clientSpans } from '../kernel/telemetry/client-spans.ts';
import { localToken } from './local-token.ts';
import { readTrust, type Trust, type TrustFiles } from './trust.ts';

/** A running service, called over gRPC by the operator. */
export interface ServiceClient {
  readonly client: <S extends DescService>(service: S) => Client<S>;
  /** Ends the connection, which otherwise keeps the program running. */
  readonly close: () => void;
}

export interface ServiceClientOptions extends TrustFiles {
  /** What the calls need and no more. */
  readonly roles: readonly string[];
}

/** A token with less than this left, in milliseconds, is replaced. */
const LAST_MINUTES = 5 * 60_000;
/** How long a token is good, in milliseconds: a stream ends with the token that it was opened with, and to read a whole log can take hours. */
const LIFETIME = 12 * 60 * 60_000;

/** Calls the service at GRPC_ADDRESS with a token signed by the local key, and with a new one when it is about to end. */
export async function serviceClient(environment: Environment, options: ServiceClientOptions): Promise<ServiceClient> {
  const config = readConfig(environment);
  const newToken = (): Promise<AccessToken> =>
    localToken(config, { issuer: options.issuer, roles: options.roles, lifetimeMs: LIFETIME });
  const [trust, token] = await Promise.all([readTrust(config, options), newToken()]);
  const interceptors = [authorized(token, newToken), namesUnknownKey(config.grpcAddress)];
  const { transport, close } = grpcConnection(config, { trust, interceptors });
  return { client: (service) => createClient(service, transport), close };
}

/** A connection to GRPC_ADDRESS, made by the first call, whose errors say where nobody answers. */
export function grpcConnection(
  { grpcAddress }: Pick<Config, 'grpcAddress'>,
  { trust, interceptors = [] }: { trust: Trust | undefined; interceptors?: readonly Interceptor[] },
): { transport: Transport; close: () => void } {
  const baseUrl = `${trust ? 'https' : 'http'}://${grpcAddress}`;
  const sessionManager = new Http2SessionManager(baseUrl, {}, trust ?? {});
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager,
    interceptors: [clientSpans(parseAddress(grpcAddress)), ...interceptors, namesWhoIsAway(grpcAddress)],
  });
  return { transport, close: () => sessionManager.abort() };
}

function authorized(first: AccessToken, renew: () => Promise<AccessToken>): Interceptor {
  let current = first;
  return (next) => async (request) => {
    if (current.expiresAt.getTime() - Date.now() < LAST_MINUTES) current = await renew();
    request.header.set('authorization', `Bearer ${current.token}`);
    return await next(request);
  };
}

/** A service takes up its keys when it starts, so that the local one can be newer. It cannot tell that one from a forged one. */
function namesUnknownKey(address: string): Interceptor {
  return (next) => async (request) => {
    try {
      return await next(request);
    } catch (error) {
      if (!(error instanceof ConnectError) || !isUntrusted(error)) throw error;
      const problem =
        `the service at ${address} does not know the key that signed the token of this command: restart the service if the key was rotated ` +
        'since its start; otherwise name its own keys with AUTH_SIGNING_KEYS, AUTH_SIGNING_KEY_FILE or DATA_DIR';
      throw new ConnectError(problem, error.code, undefined, [], error);
    }
  };
}

const isUntrusted = (error: ConnectError): boolean =>
  error
    .findDetails(ErrorInfoSchema)
    .some(({ reason, metadata }) => reason === Reason[Reason.TOKEN_INVALID] && metadata.cause === 'UNTRUSTED');

/** The service says itself why it refuses; what the network says does not tell a person where to look. */
function namesWhoIsAway(address: string): Interceptor {
  return (next) => async (request) => {
    try {
      return await next(request);
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      const problem = connectionProblem(error, request.signal);
      if (problem === undefined) throw error;
      throw new ConnectError(`${problem} ${address} (GRPC_ADDRESS): ${error.rawMessage}`, Code.Unavailable, undefined, [], error);
    }
  };
}

function connectionProblem({ code, cause }: ConnectError, signal: AbortSignal): string | undefined {
  if (Error.isError(cause) && 'code' in cause) return 'Nothing listens at';
  // How HTTP/2 shows a connection that the other side ended, e.g. because it wants a client certificate (TLS 1.3).
  return code === Code.Canceled && !signal.aborted ? 'The connection was closed by' : undefined;
}
