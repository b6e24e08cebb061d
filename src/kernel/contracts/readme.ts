/** README.md of the folder. */
export const readme = (): string => README;

const README = `# Contracts

This folder has all that a client needs, in any language. You need nothing else but the compiler of your language.

| file | content |
| --- | --- |
| \`proto/\` | the contracts and all that they import, with options for Go, Java and C# |
| \`reference/\` | every rpc: fields, rules, errors, who may call it |
| \`errors.md\`, \`errors.json\` | every reason of an error, for people and for programs |
| \`openapi.json\` | OpenAPI 3.1 of the JSON that Connect speaks |
| \`contracts.binpb\` | the contracts as a \`google.protobuf.FileDescriptorSet\`, with comments: for grpcurl (\`-protoset\`), Envoy, Postman |
| \`service-config.json\` | gRPC service config: deadlines; queries are sent again when the service is UNAVAILABLE |
| \`service-config-with-keys.json\` | the same, and commands are sent again too: only for clients that send an \`idempotency-key\` with every command that takes one |
| \`buf.yaml\` | makes the folder a module of [buf](https://buf.build) |

A service config cannot see metadata. If the answer to a command without a key gets lost, the command may have been done, and would be done
twice when it is sent again. So the first file leaves commands to the client's own code.

## Compile it

\`proto\` is the only include path. The gRPC packages of most languages bring \`google/\` and \`grpc/\` along, compiled. \`buf/validate\` holds
the rules, and the generated code imports it.

\`\`\`sh
# Go: a module called bicameral, in gen/ (go.mod: replace bicameral => ./gen)
protoc -I proto --go_out=gen --go_opt=module=bicameral --go-grpc_out=gen --go-grpc_opt=module=bicameral $(cd proto && echo users/v1/*.proto audit/v1/*.proto cqrs/v1/*.proto)
# Python
python -m grpc_tools.protoc -I proto --python_out=gen --pyi_out=gen --grpc_python_out=gen $(cd proto && find users audit cqrs buf -name '*.proto')
# TypeScript
buf generate --include-imports --exclude-path proto/google --exclude-path proto/grpc
\`\`\`

Java, C#, Rust and others: give their plugin \`proto\` as the source folder.

| language | what \`users.v1\` is called |
| --- | --- |
| Go | \`import usersv1 "bicameral/users/v1"\`; managed mode of buf and \`M\` options of protoc change the prefix |
| Java, Kotlin | \`package bicameral.users.v1\`, a class a message |
| C# | \`namespace Bicameral.Users.V1\` |
| Python | \`from users.v1 import command_service_pb2\`: Python follows the path and has no option for it |
| TypeScript | \`users/v1/command_service_pb.ts\` |
| Rust | \`pub mod users { pub mod v1 { tonic::include_proto!("users.v1"); } }\` |

## Compare reasons

\`ErrorInfo.reason\` is the name of a value of \`enum Reason\` without \`REASON_\`, and \`ErrorInfo.domain\` is the package of the enum.

| language | whether \`info\` says \`EMAIL_TAKEN\` |
| --- | --- |
| Go | \`usersv1.Reason_value["REASON_"+info.Reason] == int32(usersv1.Reason_REASON_EMAIL_TAKEN)\` |
| Java, Kotlin | \`("REASON_" + info.getReason()).equals(Reason.REASON_EMAIL_TAKEN.name())\` |
| C# | \`"REASON_" + info.Reason == ReasonsReflection.Descriptor.FindTypeByName<EnumDescriptor>("Reason").FindValueByNumber((int) Reason.EmailTaken).Name\` |
| Python | \`reasons_pb2.Reason.Name(reasons_pb2.REASON_EMAIL_TAKEN) == "REASON_" + info.reason\` |
| TypeScript | \`info.reason === Reason[Reason.EMAIL_TAKEN]\` |
| Rust | \`Reason::from_str_name(&format!("REASON_{}", info.reason)) == Some(Reason::EmailTaken)\` |
`;
