/** Facts a user records; `persistence/user-event-messages.ts` turns them into the messages that are stored. */
export type UserEvent =
  | { readonly type: 'UserCreated'; readonly email: string; readonly name: string }
  | { readonly type: 'UserLoggedIn'; readonly loggedInAt: Date }
  | { readonly type: 'UserLoggedOut'; readonly session: string }
  | { readonly type: 'UserSessionsEnded' }
  | { readonly type: 'UserEmailChanged'; readonly email: string }
  | { readonly type: 'UserNameChanged'; readonly name: string }
  | { readonly type: 'UserPasswordChanged' }
  | { readonly type: 'UserSuspended'; readonly reason: string }
  | { readonly type: 'UserReactivated'; readonly reason: string }
  | { readonly type: 'UserRoleGranted'; readonly role: string }
  | { readonly type: 'UserRoleRevoked'; readonly role: string }
  | { readonly type: 'UserDeleted' };
