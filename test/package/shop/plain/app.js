import { command, defineModule, query } from 'bicameral';
import { audit } from 'bicameral/audit';
import { users } from 'bicameral/users';
import { ok } from 'neverthrow';
import { CommandService } from '#gen/greetings/v1/command_service_pb.js';
import { QueryService } from '#gen/greetings/v1/query_service_pb.js';

const wave = command(CommandService.method.wave, async (_, { principal }) => ok({ wavedBy: principal.id }));
const greet = query(QueryService.method.greet, async (request) => ok({ greeting: `Good day, ${request.name}` }));

const greetings = defineModule({
  name: 'greetings',
  services: [
    { kind: 'command', service: CommandService, handlers: { wave } },
    { kind: 'query', service: QueryService, handlers: { greet } },
  ],
  permissions: { 'greetings.read': 'Be greeted', 'greetings.write': 'Wave' },
});

/** @type {import('bicameral').Application} */
export const application = {
  name: 'plain-shop',
  modules: [greetings, users, audit],
  roles: { admin: 'all', operator: ['greetings.read'] },
};
