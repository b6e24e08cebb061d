import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials } from '@grpc/grpc-js';

/** Field numbers of grpc.reflection.v1.ServerReflectionRequest and of its response; v1alpha has the same. */
const FILE_BY_FILENAME = 3;
const FILE_CONTAINING_SYMBOL = 4;
const LIST_SERVICES = 7;
const FILES_RESPONSE = 4;
const SERVICES_RESPONSE = 6;

/** Asks a server what it serves, by gRPC reflection. */
export class ReflectionClient {
  readonly #client: Client;
  readonly #path: string;

  constructor(port: number, version: 'v1' | 'v1alpha') {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    this.#path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
  }

  async services(): Promise<string[]> {
    const responses = fieldsOf(await this.#ask(LIST_SERVICES, '*'), SERVICES_RESPONSE);
    return responses.flatMap((response) => fieldsOf(response, 1)).flatMap((service) => fieldsOf(service, 1).map(String));
  }

  async fileOf(symbol: string): Promise<FileDescriptorProto> {
    return firstFile(await this.#ask(FILE_CONTAINING_SYMBOL, symbol));
  }

  async file(name: string): Promise<FileDescriptorProto> {
    return firstFile(await this.#ask(FILE_BY_FILENAME, name));
  }

  close(): void {
    this.#client.close();
  }

  #ask(field: number, value: string): Promise<Buffer> {
    const request = Buffer.from(new BinaryWriter().tag(field, WireType.LengthDelimited).string(value).finish());
    const same = (bytes: Buffer) => bytes;
    const call = this.#client.makeBidiStreamRequest(this.#path, same, same);
    return new Promise((resolve, reject) => {
      call.on('data', resolve);
      call.on('error', reject);
      call.write(request);
      call.end();
    });
  }
}

function firstFile(response: Buffer): FileDescriptorProto {
  const [bytes] = fieldsOf(response, FILES_RESPONSE).flatMap((files) => fieldsOf(files, 1));
  if (!bytes) throw new Error('the server knows no such file');
  return fromBinary(FileDescriptorProtoSchema, bytes);
}

/** The length-delimited fields with this number. */
function fieldsOf(message: Uint8Array, wanted: number): Buffer[] {
  const reader = new BinaryReader(message);
  const found: Buffer[] = [];
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === wanted && type === WireType.LengthDelimited) found.push(Buffer.from(reader.bytes()));
    else reader.skip(type, number);
  }
  return found;
}
