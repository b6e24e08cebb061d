import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { type ClientHttp2Session, connect } from 'node:http2';
import { text } from 'node:stream/consumers';
import { fromBinary } from '@bufbuild/protobuf';
import { RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.js';
import { StatusSchema } from '../../gen/google/rpc/status_pb.js';

/** Calls of one method at one door, each with the next of the bodies. */
export interface Target {
  readonly door: 'grpc' | 'connect';
  readonly port: number;
  readonly path: string;
  /** `name: value`. */
  readonly headers: readonly string[];
  readonly bodies: readonly Uint8Array[];
}

/** How a call ended. */
export interface Ended {
  readonly how: 'answered' | 'refused' | 'failed';
  /** What a refusal says in its RetryInfo; 0 for other ends. */
  readonly comeBackAfterMs: number;
}

/** Connections over which calls are made in turn. */
export interface Wire {
  readonly call: () => Promise<Ended>;
  readonly close: () => void;
}

const ANSWERED: Ended = { how: 'answered', comeBackAfterMs: 0 };
const FAILED: Ended = { how: 'failed', comeBackAfterMs: 0 };
const RESOURCE_EXHAUSTED = '8';
const TOO_MANY_REQUESTS = 429;
const RETRY_INFO = 'google.rpc.RetryInfo';

/** Opens connections to the target: over gRPC, HTTP/2; over Connect, HTTP/1.1, where a connection has one call at a time. */
export async function openWire(target: Target, connections: number): Promise<Wire> {
  const fields = Object.fromEntries(target.headers.map((header) => header.split(/: (.*)/s, 2) as [string, string]));
  let [turn, bodyTurn] = [0, 0];
  const next = <T>(all: readonly T[], at: number): T => all[at % all.length] as T;
  const nextBody = (): Uint8Array => next(target.bodies, bodyTurn++);
  if (target.door === 'connect') {
    const agents = Array.from({ length: connections }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
    const call = () => connectCall({ agent: next(agents, turn++), target, fields, body: nextBody() });
    // The connections are open when the first call is counted.
    await Promise.all(agents.map(call));
    return {
      call,
      close: () => {
        for (const agent of agents) agent.destroy();
      },
    };
  }
  const sessions = Array.from({ length: connections }, () => connect(`http://127.0.0.1:${target.port}`));
  await Promise.all(sessions.map((session) => once(session, 'connect')));
  const headers = { ':method': 'POST', ':path': target.path, ...fields };
  return {
    call: () => grpcCall(next(sessions, turn++), headers, nextBody()),
    close: () => {
      for (const session of sessions) session.destroy();
    },
  };
}

function grpcCall(session: ClientHttp2Session, headers: Record<string, string>, body: Uint8Array): Promise<Ended> {
  const stream = session.request(headers);
  let ended = FAILED;
  const look = (received: Record<string, unknown>): void => {
    const status = received['grpc-status'];
    if (status === '0') ended = ANSWERED;
    else if (status === RESOURCE_EXHAUSTED) ended = refusedOverGrpc(String(received['grpc-status-details-bin']));
  };
  stream.on('response', look).on('trailers', look).resume();
  stream.end(body);
  return new Promise((resolve) => {
    const end = (): void => resolve(ended);
    stream.once('close', end).on('error', end);
  });
}

function refusedOverGrpc(details: string): Ended {
  const status = fromBinary(StatusSchema, Buffer.from(details, 'base64'));
  return refused(status.details.find(({ typeUrl }) => typeUrl.endsWith(RETRY_INFO))?.value);
}

async function connectCall(call: {
  agent: Agent;
  target: Target;
  fields: Record<string, string>;
  body: Uint8Array;
}): Promise<Ended> {
  const { agent, target, fields, body } = call;
  const headers = { ...fields, 'content-length': body.byteLength };
  try {
    const sent = request({ host: '127.0.0.1', port: target.port, method: 'POST', path: target.path, agent, headers });
    sent.end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const answer = await text(response);
    if (response.statusCode === 200) return ANSWERED;
    return response.statusCode === TOO_MANY_REQUESTS ? refusedOverConnect(answer) : FAILED;
  } catch {
    return FAILED;
  }
}

function refusedOverConnect(answer: string): Ended {
  const { details = [] } = JSON.parse(answer) as { details?: { type: string; value: string }[] };
  const info = details.find(({ type }) => type === RETRY_INFO);
  return refused(info && Buffer.from(info.value, 'base64'));
}

function refused(retryInfo: Uint8Array | undefined): Ended {
  const delay = retryInfo && fromBinary(RetryInfoSchema, retryInfo).retryDelay;
  return { how: 'refused', comeBackAfterMs: delay ? Number(delay.seconds) * 1000 + delay.nanos / 1e6 : 0 };
}
