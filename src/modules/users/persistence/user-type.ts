import type { AggregateType } from '../../../postgres/writer/aggregate-type.ts';
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
  erasesPersonalData: (user) => user.status === 'deleted',
  projections: [userDirectory, endedSessions],
  violation: (constraint, user) => (constraint === 'user_email_key' ? new EmailTaken(user.email) : undefined),
};
