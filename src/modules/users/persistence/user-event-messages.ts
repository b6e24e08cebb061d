import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  UserCreatedSchema,
  UserDeletedSchema,
  UserEmailChangedSchema,
  UserLoggedInSchema,
  UserLoggedOutSchema,
  UserNameChangedSchema,
  UserPasswordChangedSchema,
  UserReactivatedSchema,
  UserRoleGrantedSchema,
  UserRoleRevokedSchema,
  UserSessionsEndedSchema,
  UserSuspendedSchema,
} from '#gen/users/v1/events_pb.js';
import type { EventMessage } from '../../../kernel/database/write/aggregate-type.ts';
import type { UserEvent } from '../domain/user-events.ts';

/** An event of the domain as the message that is stored. */
export function toMessage(event: UserEvent): EventMessage {
  switch (event.type) {
    case 'UserCreated':
      return { schema: UserCreatedSchema, message: create(UserCreatedSchema, { email: event.email, name: event.name }) };
    case 'UserLoggedIn': {
      const loggedInAt = timestampFromDate(event.loggedInAt);
      return { schema: UserLoggedInSchema, message: create(UserLoggedInSchema, { loggedInAt }) };
    }
    case 'UserLoggedOut':
      return { schema: UserLoggedOutSchema, message: create(UserLoggedOutSchema, { sessionId: event.session }) };
    case 'UserSessionsEnded':
      return { schema: UserSessionsEndedSchema, message: create(UserSessionsEndedSchema) };
    case 'UserEmailChanged':
      return { schema: UserEmailChangedSchema, message: create(UserEmailChangedSchema, { email: event.email }) };
    case 'UserNameChanged':
      return { schema: UserNameChangedSchema, message: create(UserNameChangedSchema, { name: event.name }) };
    case 'UserPasswordChanged':
      return { schema: UserPasswordChangedSchema, message: create(UserPasswordChangedSchema) };
    case 'UserSuspended':
      return { schema: UserSuspendedSchema, message: create(UserSuspendedSchema, { reason: event.reason }) };
    case 'UserReactivated':
      return { schema: UserReactivatedSchema, message: create(UserReactivatedSchema, { reason: event.reason }) };
    case 'UserRoleGranted':
      return { schema: UserRoleGrantedSchema, message: create(UserRoleGrantedSchema, { role: event.role }) };
    case 'UserRoleRevoked':
      return { schema: UserRoleRevokedSchema, message: create(UserRoleRevokedSchema, { role: event.role }) };
    case 'UserDeleted':
      return { schema: UserDeletedSchema, message: create(UserDeletedSchema) };
    default:
      return event satisfies never;
  }
}
