import { describe, expect, it } from '@jest/globals';
import { enumValueIn, rpcIn, typeIn, withEnumValue, withProtoImport, withRpc, withTypes } from '../../../src/cli/new/proto.ts';

const SERVICE = `syntax = "proto3";

package orders.v1;

import "buf/validate/validate.proto";

// What "service CommandService {" in a comment is, is a comment.
service CommandService {
  // Opens an order. { [ (
  rpc Open(OpenRequest) returns (OpenResponse) {
    option (cqrs.v1.access) = {permission: "orders.write }"};
  }

  // Closes it.
  rpc Close(CloseRequest) returns (CloseResponse);
}

message OpenRequest {
  string name = 1 [(buf.validate.field).string = {min_len: 1}];
}

// Says nothing.
message OpenResponse {}
`;

describe('parts of a .proto file', () => {
  it('are an rpc with its comment and options', () => {
    expect(rpcIn(SERVICE, 'Open')).toBe(
      '  // Opens an order. { [ (\n  rpc Open(OpenRequest) returns (OpenResponse) {\n    option (cqrs.v1.access) = {permission: "orders.write }"};\n  }\n',
    );
    expect(rpcIn(SERVICE, 'Close')).toBe('  // Closes it.\n  rpc Close(CloseRequest) returns (CloseResponse);\n');
    expect(rpcIn(SERVICE, 'Clos')).toBeUndefined();
  });

  it('are a message with its comment', () => {
    expect(typeIn(SERVICE, 'OpenResponse')).toBe('// Says nothing.\nmessage OpenResponse {}\n');
  });

  it('are a value of an enum, with its options and without its number', () => {
    const source = 'enum Reason {\n  // None.\n  REASON_X = 7 [(cqrs.v1.failure) = {\n    code: CODE_NOT_FOUND\n  }];\n}\n';
    expect(enumValueIn(source, 'REASON_X')).toBe(
      '  // None.\n  REASON_X = NUMBER [(cqrs.v1.failure) = {\n    code: CODE_NOT_FOUND\n  }];\n',
    );
  });
});

describe('what is put into a .proto file', () => {
  it('stands behind the last rpc of its service', () => {
    const changed = withRpc(SERVICE, 'CommandService', '  rpc New(NewRequest) returns (NewResponse);\n');
    expect(changed).toContain(
      'returns (CloseResponse);\n\n  rpc New(NewRequest) returns (NewResponse);\n}\n\nmessage OpenRequest',
    );
  });

  it('may be the first of its service', () => {
    expect(withRpc('service S {}\n', 'S', '  rpc A(B) returns (C);\n')).toBe('service S {  rpc A(B) returns (C);\n}\n');
  });

  it('has no place where the service is not there', () => {
    expect(withRpc(SERVICE, 'QueryService', '  rpc A(B) returns (C);\n')).toBeUndefined();
  });

  it('is imported once', () => {
    const changed = withProtoImport(SERVICE, 'cqrs/v1/access.proto');
    expect(changed).toContain('import "buf/validate/validate.proto";\nimport "cqrs/v1/access.proto";\n');
    expect(withProtoImport(changed, 'cqrs/v1/access.proto')).toBe(changed);
    expect(withProtoImport('package a;\n', 'b.proto')).toBe('package a;\n\nimport "b.proto";\n');
  });

  it('takes the next number of its enum', () => {
    const source = 'enum Reason {\n  A = 0;\n  B = 12 [(x) = {code: CODE_NOT_FOUND}];\n}\n';
    expect(withEnumValue(source, 'Reason', '  C = NUMBER;\n')).toContain('}];\n\n  C = 13;\n}\n');
  });

  it('ends the file', () => {
    expect(withTypes('message A {}\n\n', ['message B {}\n', 'message C {}'])).toBe(
      'message A {}\n\nmessage B {}\n\nmessage C {}\n',
    );
  });
});
