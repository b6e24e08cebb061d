import type { DescMethod } from '@bufbuild/protobuf';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import fc from 'fast-check';
import { CommandService as AuditCommandService } from '../../gen/audit/v1/command_service_pb.js';
import { QueryService as AuditQueryService } from '../../gen/audit/v1/query_service_pb.js';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { QueryService } from '../../gen/users/v1/query_service_pb.js';
import { newCast } from '../../test/bad-input/cast.ts';
import { overGrpcFrames, overGrpcWeb } from '../../test/bad-input/framed-ways-in.ts';
import { http1Line, http2Line } from '../../test/bad-input/raw-requests.ts';
import { type Attempt, overClient, overConnect, overGrpc, type WayIn } from '../../test/bad-input/ways-in.ts';
import type { SoakedService } from './soaked-service.ts';

/** A generated request, and what it is of. */
export interface Generated {
  readonly protocol: string;
  readonly method: string;
  readonly attempt: Attempt;
}

/** Every rpc that has one answer. */
const METHODS = [CommandService, QueryService, AuditCommandService, AuditQueryService]
  .flatMap(({ methods }) => [...methods])
  .filter(({ methodKind }) => methodKind === 'unary');

/**
 * One call in ten, beside those of the others: rpcs that hash a password, which takes longer than all the rest, and rpcs that end
 * sessions, because little is answered to those whose token has ended.
 */
const SELDOM: ReadonlySet<string> = new Set([
  ...['CreateUser', 'LogIn', 'ChangePassword', 'ChangeEmail'],
  ...['LogOut', 'EndSessions', 'RevokeRole', 'SuspendUser', 'DeleteUser'],
]);
const weightOf = ({ name }: DescMethod): number => (SELDOM.has(name) ? 1 : 10);

/** Requests that are generated at once, while nothing is sent. */
const BATCH = 250;

/** Users to play with, and connections of their own. */
export interface Scene {
  /** The same requests for the same seed, but for the ids and tokens in them. */
  readonly attempts: (options: { count: number; seed: number }) => Iterable<Generated>;
  readonly close: () => void;
}

export async function newScene(service: SoakedService, crowd: number): Promise<Scene> {
  const cast = await newCast(service, service.operatorToken);
  const ways = waysInto(service, crowd);
  const generated = fc.oneof(
    ...Object.entries(ways).flatMap(([protocol, way]) =>
      METHODS.map((method) => ({
        weight: weightOf(method),
        arbitrary: way.attempts(method, cast).map((attempt): Generated => ({ protocol, method: method.name, attempt })),
      })),
    ),
  );
  return {
    *attempts({ count, seed }) {
      for (let made = 0; made < count; made += BATCH) {
        yield* fc.sample(generated, { seed: seed + made, numRuns: Math.min(BATCH, count - made) });
      }
    },
    close: () => {
      for (const way of Object.values(ways)) way.close();
    },
  };
}

function waysInto({ grpcPort, httpPort }: SoakedService, connections: number): Readonly<Record<string, WayIn>> {
  const [grpcDoor, door] = [`http://127.0.0.1:${grpcPort}`, `http://127.0.0.1:${httpPort}`];
  return {
    'gRPC, as clients do': overClient(grpcDoor, createGrpcTransport),
    gRPC: overGrpc({ grpcPort }),
    'gRPC, raw frames': overGrpcFrames(http2Line(grpcPort)),
    'Connect, as clients do': overClient(door, (options) => createConnectTransport({ ...options, httpVersion: '2' })),
    'Connect, HTTP/1.1': overConnect(http1Line(httpPort, { connections })),
    'Connect, HTTP/2': overConnect(http2Line(httpPort)),
    'gRPC-Web, as clients do': overClient(door, (options) => createGrpcWebTransport({ ...options, httpVersion: '2' })),
    'gRPC-Web, HTTP/1.1': overGrpcWeb(http1Line(httpPort, { connections })),
    'gRPC-Web, HTTP/2': overGrpcWeb(http2Line(httpPort)),
  };
}
