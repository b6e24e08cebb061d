import { create } from '@bufbuild/protobuf';
import type { EventMessage } from 'bicameral';
import { GardenToolCreatedSchema, GardenToolRenamedSchema, GardenToolRetiredSchema } from '#gen/tool_shed/v1/events_pb.js';
import type { GardenToolEvent } from '../domain/garden-tool-events.ts';

/** An event of the domain as the message that is stored. */
export function toMessage(event: GardenToolEvent): EventMessage {
  switch (event.type) {
    case 'GardenToolCreated':
      return { schema: GardenToolCreatedSchema, message: create(GardenToolCreatedSchema, { name: event.name }) };
    case 'GardenToolRenamed':
      return { schema: GardenToolRenamedSchema, message: create(GardenToolRenamedSchema, { name: event.name }) };
    case 'GardenToolRetired':
      return { schema: GardenToolRetiredSchema, message: create(GardenToolRetiredSchema) };
    default:
      return event satisfies never;
  }
}
