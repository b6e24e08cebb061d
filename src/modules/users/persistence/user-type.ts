import { create, type JsonObject, toJson } from '@bufbuild/protobuf';
import { UserSchema } from '#gen/users/v1/user_pb.js';
import type { AggregateType } from '../../../kernel/database/write/aggregate-type.ts';
import { toUser } from '../commands/to-user.ts';
import type { User } from '../domain/user.ts';
import { EmailTaken } from '../domain/user-errors.ts';
import { toMessage } from './user-event-messages.ts';
import { UserMapping } from './user-mapping.ts';
import { endedSessions, userDirectory } from './user-projections.ts';

/** How the unit of work keeps users. */
export const UserType: AggregateType<User> = {
  name: 'users.v1.User',
  mapping: UserMapping,
  id: (user) => user.id,
  version: (user) => user.version,
  events: (user) => user.recordedEvents.map(toMessage),
  names: ({ email }) => (email === '' ? [] : [email]),
  erasesPersonalData: (user) => user.status === 'deleted',
  snapshot: (user) => ({
    ...(toJson(UserSchema, create(UserSchema, toUser(user))) as JsonObject),
    sessionEpoch: user.sessionEpoch,
  }),
  projections: [userDirectory, endedSessions],
  violation: (constraint, user) => (constraint === 'user_email_key' ? new EmailTaken(user.email) : undefined),
};
