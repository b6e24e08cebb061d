import { defineModule } from 'bicameral';
import { file_tool_shed_v1_events } from '#gen/tool_shed/v1/events_pb.js';
import { migrations } from './migrations.ts';
import { gardenToolRepository } from './persistence/garden-tool-repository.ts';
import { GardenToolType } from './persistence/garden-tool-type.ts';
import { services } from './services.ts';

/** Garden tools: what can be done to them, and what can be asked about them. */
export const toolShed = defineModule({
  name: 'tool_shed',
  services,
  permissions: { 'tool_shed.read': 'Read every garden tool', 'tool_shed.write': 'Change every garden tool' },
  aggregates: [GardenToolType],
  events: [file_tool_shed_v1_events],
  migrations,
  start: ({ keys }) => ({ pageTokens: keys.pageTokens }),
  commandContext: (_, { work }) => ({ gardenTools: gardenToolRepository(work) }),
  queryContext: (_, { read, parts }) => ({ read, pageTokens: parts.pageTokens }),
});
