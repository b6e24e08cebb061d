import type { App } from '../../src/app.ts';
import { connectMessages, grpcFrames, grpcMessages, type SendRaw } from './raw-calls.ts';
import { http1Line, http2Line, type Line } from './raw-requests.ts';

/** The two network doors, each with one HTTP/2 connection over which everything is sent. */
export interface OpenDoors {
  /** One protobuf message. */
  readonly gRPC: SendRaw;
  /** One protobuf message. */
  readonly Connect: SendRaw;
  /** One JSON text, to the Connect door. */
  readonly json: SendRaw;
  /** A body for the gRPC door as it is. */
  readonly frames: SendRaw;
  /** To the Connect door over HTTP/1.1. */
  readonly http1: Line;
  /** To the Connect door over HTTP/2. */
  readonly http2: Line;
  readonly close: () => void;
}

/** The doors that take protobuf. */
export const DOORS = ['gRPC', 'Connect'] as const;

export function openDoors({ grpcPort, httpPort }: App): OpenDoors {
  const [grpc, http2, http1] = [http2Line(grpcPort), http2Line(httpPort), http1Line(httpPort)];
  return {
    gRPC: grpcMessages(grpc),
    Connect: connectMessages(http2, 'proto'),
    json: connectMessages(http2, 'json'),
    frames: grpcFrames(grpc),
    http1,
    http2,
    close: () => {
      for (const line of [grpc, http2, http1]) line.close();
    },
  };
}
