/** A server that is measured, in a process of its own. */
export interface Subject {
  readonly name: SubjectName;
  readonly pid: number;
  readonly grpcPort: number;
  /** Of those that speak Connect: `ours` and `connect`. */
  readonly httpPort: number;
  /** How each call failed that did since it was last asked: its code and reason. A call that the driver left at its end has not failed. */
  readonly takeFailures: () => Promise<string[]>;
  /** Ends it in order. */
  readonly stop: () => Promise<void>;
}

/** `ours` as shipped; `floor`: grpc-js and pg by hand; `connect`: connect-node and pg by hand; `peer`: NestJS and MikroORM. */
export type SubjectName = 'ours' | 'floor' | 'connect' | 'peer';

/** What subjects are started with. */
export interface SubjectSurroundings {
  readonly databaseUrl: string;
  readonly replicaUrl: string;
  readonly replicaWriterUrl: string;
  readonly signingKeyFile: string;
  /** For logs. */
  readonly folder: string;
}
