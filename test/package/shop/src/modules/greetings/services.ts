import type { HandlersOf } from 'bicameral';
import { CommandService } from '#gen/greetings/v1/command_service_pb.js';
import { QueryService } from '#gen/greetings/v1/query_service_pb.js';
import { wave } from './commands/wave.ts';
import { greet } from './queries/greet.ts';

const commandService = { wave } satisfies HandlersOf<typeof CommandService>;
const queryService = { greet } satisfies HandlersOf<typeof QueryService>;

export const services = [
  { kind: 'command', service: CommandService, handlers: commandService },
  { kind: 'query', service: QueryService, handlers: queryService },
] as const;
