import { readFileSync, readSync, writeSync } from 'node:fs';
import { create, createFileRegistry, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { createConnectDoor } from '../../../src/kernel/doors/connect/door.ts';
import type { DoorOptions } from '../../../src/kernel/doors/door.ts';
import { createGrpcDoor } from '../../../src/kernel/doors/grpc/door.ts';
import { ServerTls } from '../../../src/kernel/doors/tls/server-tls.ts';
import { conformanceBus, PACKAGE } from './service.ts';

/**
 * The program that the suite starts: server.ts DOOR CONTRACTS. It reads from standard input how the door is to be opened, and writes
 * to standard output where it is (docs/testing_servers.md of connectrpc/conformance).
 */
const [, , door, contractsFile = ''] = process.argv;
const contracts = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(contractsFile)));

interface ServerRequest extends Message {
  readonly useTls: boolean;
  readonly clientTlsCert: Uint8Array;
  readonly messageReceiveLimit: number;
  readonly serverCreds?: { readonly cert: Uint8Array; readonly key: Uint8Array };
}

const unexpected: DoorOptions['unexpected'] = {
  newId: () => 'unexpected',
  report: ({ error, method }) => console.error(method, error),
};
const asked = fromBinary(schema('ServerCompatRequest'), read(read(4).readUInt32BE())) as ServerRequest;
const { serverCreds, clientTlsCert, messageReceiveLimit } = asked;
const tlsFiles = asked.useTls &&
  serverCreds && {
    cert: Buffer.from(serverCreds.cert),
    key: Buffer.from(serverCreds.key),
    clientCa: clientTlsCert.length > 0 ? Buffer.from(clientTlsCert) : undefined,
  };
const options: DoorOptions = {
  bus: conformanceBus(contracts, unexpected),
  unexpected,
  tls: tlsFiles ? new ServerTls(tlsFiles) : undefined,
  maxMessageBytes: messageReceiveLimit || undefined,
};
const server = door === 'grpc' ? createGrpcDoor(options) : createConnectDoor(options);
const port = await server.listen('127.0.0.1:0');
process.on('SIGTERM', () => process.exit(0));
write({ host: '127.0.0.1', port, pemCert: tlsFiles ? tlsFiles.cert : undefined });

function schema(name: string) {
  const found = contracts.getMessage(`${PACKAGE}.${name}`);
  if (!found) throw new Error(`the suite has no ${name}`);
  return found;
}

function read(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const count = readSync(0, bytes, at, size - at, null);
    if (count === 0) throw new Error('standard input ended');
    at += count;
  }
  return bytes;
}

function write(message: Record<string, unknown>): void {
  const answer = schema('ServerCompatResponse');
  const bytes = toBinary(answer, create(answer, message));
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  writeSync(1, Buffer.concat([size, bytes]));
}
