import { create } from '@bufbuild/protobuf';
import type { EventMessage } from 'bicameral';
import { JamJarCreatedSchema, JamJarRenamedSchema, JamJarRetiredSchema } from '#gen/farm_shop/v1/events_pb.js';
import type { JamJarEvent } from '../domain/jam-jar-events.ts';

/** An event of the domain as the message that is stored. */
export function toMessage(event: JamJarEvent): EventMessage {
  switch (event.type) {
    case 'JamJarCreated':
      return { schema: JamJarCreatedSchema, message: create(JamJarCreatedSchema, { name: event.name }) };
    case 'JamJarRenamed':
      return { schema: JamJarRenamedSchema, message: create(JamJarRenamedSchema, { name: event.name }) };
    case 'JamJarRetired':
      return { schema: JamJarRetiredSchema, message: create(JamJarRetiredSchema) };
    default:
      return event satisfies never;
  }
}
