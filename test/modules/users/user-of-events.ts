import { User } from '../../../src/modules/users/domain/user.ts';
import type { HistoricEvent } from '../../../src/testing/index.ts';

/** What the events of a user do not tell, by the property that keeps it, and why they do not. */
export const NOT_IN_EVENTS = {
  _passwordHash: 'An event is kept for ever and goes to other systems: no hash of a password does.',
  _keptSession: 'Stands in the record of the command, which names the session that it came in.',
  _writes: 'Counts the writes of the row. Without a row there are none: the number of the last event takes its place.',
} as const;

/** What the events of a user tell, as the row keeps it. */
interface Told {
  _id: string;
  _email: string | null;
  _name: string;
  _status: 'active' | 'suspended' | 'deleted';
  _roles: readonly string[];
  _createdAt: Date;
  _updatedAt: Date;
  _lastLoginAt: Date | null;
  _sessionEpoch: number;
  _version: number;
}

/** What the stored events of a user tell of them: all that the row keeps but `NOT_IN_EVENTS`. */
export function toldByEvents(id: string, history: readonly HistoricEvent[]): Told {
  const [first] = history;
  if (!first) throw new Error('nobody is told of by no events');
  const born: Told = {
    _id: id,
    _email: null,
    _name: '',
    _status: 'active',
    _roles: [],
    _createdAt: first.occurredAt,
    _updatedAt: first.occurredAt,
    _lastLoginAt: null,
    _sessionEpoch: 1,
    _version: 0,
  };
  return history.reduce(after, born);
}

/** The user that events tell of, with what they do not tell. */
export function userOf(id: string, history: readonly HistoricEvent[], notInEvents: { passwordHash: string }): User {
  const { passwordHash } = notInEvents;
  return Object.assign(Object.create(User.prototype), {
    ...toldByEvents(id, history),
    _passwordHash: passwordHash,
    _keptSession: null,
  });
}

/** Of what a user is after one more event. */
function after(user: Told, { event, version, occurredAt }: HistoricEvent): Told {
  const changed = { ...user, _updatedAt: occurredAt, _version: version };
  const ended = { _sessionEpoch: user._sessionEpoch + 1 };
  switch (event.type) {
    case 'UserCreated':
      return { ...changed, _email: event.email as string, _name: event.name as string };
    case 'UserLoggedIn':
      return { ...user, _lastLoginAt: event.loggedInAt as Date };
    case 'UserLoggedOut':
      return user;
    case 'UserSessionsEnded':
      return { ...user, ...ended };
    case 'UserEmailChanged':
      return { ...changed, _email: event.email as string };
    case 'UserNameChanged':
      return { ...changed, _name: event.name as string };
    case 'UserPasswordChanged':
      return { ...changed, ...ended };
    case 'UserSuspended':
      return { ...changed, ...ended, _status: 'suspended' };
    case 'UserReactivated':
      return { ...changed, _status: 'active' };
    case 'UserRoleGranted':
      return { ...changed, _roles: [...user._roles, event.role as string].sort() };
    case 'UserRoleRevoked':
      return { ...changed, ...ended, _roles: user._roles.filter((role) => role !== event.role) };
    case 'UserDeleted':
      return { ...changed, ...ended, _email: null, _name: '', _status: 'deleted', _roles: [], _lastLoginAt: null };
    default:
      throw new Error(`nobody has said what ${event.type} does to a user`);
  }
}
