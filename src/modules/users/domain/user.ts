import { err, ok, type Result } from 'neverthrow';
import { UserDeleted, UserSuspended, VersionMismatch } from './user-errors.ts';
import type { UserEvent } from './user-events.ts';

export type UserStatus = 'active' | 'suspended' | 'deleted';

/** When and at which version the caller wants a change made; undefined is any version. */
export interface Change {
  readonly at: Date;
  readonly expectedVersion?: bigint | undefined;
}

/**
 * A person's account: the rules of what may be done to it, and its history in the making.
 *
 * Each method that changes something records an event and raises `version` by one, once for all changes of one unit of work. A change
 * to what already is records nothing.
 */
export class User {
  private readonly _id: string;
  private _email: string | null;
  private _name: string;
  private _passwordHash: string | null;
  private _status: UserStatus;
  private _roles: string[];
  private readonly _createdAt: Date;
  private _updatedAt: Date;
  private _lastLoginAt: Date | null;
  private _sessionEpoch: number;
  private _keptSession: string | null;
  private _version: number;
  /** Counted by whoever stores the user: tells two commands apart that changed it at the same time. */
  protected readonly _writes?: number;
  // Not stored. Undefined until the first event: loaded users do not pass the constructor.
  private _events?: UserEvent[];
  private _changed?: boolean;

  private constructor(id: string, email: string, name: string, passwordHash: string, at: Date) {
    this._id = id;
    this._email = email;
    this._name = name;
    this._passwordHash = passwordHash;
    this._status = 'active';
    this._roles = [];
    this._createdAt = at;
    this._updatedAt = at;
    this._lastLoginAt = null;
    this._sessionEpoch = 1;
    this._keptSession = null;
    this._version = 0;
  }

  static create(user: { id: string; email: string; name: string; passwordHash: string; at: Date }): User {
    const created = new User(user.id, user.email, user.name, user.passwordHash, user.at);
    created.change(user.at, { type: 'UserCreated', email: user.email, name: user.name });
    return created;
  }

  get id(): string {
    return this._id;
  }

  /** Empty when deleted. */
  get email(): string {
    return this._email ?? '';
  }

  get name(): string {
    return this._name;
  }

  /** PHC string; undefined when deleted. */
  get passwordHash(): string | undefined {
    return this._passwordHash ?? undefined;
  }

  get status(): UserStatus {
    return this._status;
  }

  get roles(): readonly string[] {
    return this._roles;
  }

  get createdAt(): Date {
    return this._createdAt;
  }

  get updatedAt(): Date {
    return this._updatedAt;
  }

  get lastLoginAt(): Date | undefined {
    return this._lastLoginAt ?? undefined;
  }

  /** Tokens issued at an earlier epoch are ended, but for the kept session. */
  get sessionEpoch(): number {
    return this._sessionEpoch;
  }

  get version(): number {
    return this._version;
  }

  get isActiveAdmin(): boolean {
    return this._status === 'active' && this._roles.includes('admin');
  }

  /** What happened since the user was loaded, in order. */
  get recordedEvents(): readonly UserEvent[] {
    return this._events ?? [];
  }

  /** Notes a log-in. `rehashed` replaces the stored hash when its parameters have risen. The version stays: no edit is lost by it. */
  logIn(at: Date, rehashed?: string): Result<void, UserSuspended | UserDeleted> {
    if (this._status === 'deleted') return err(new UserDeleted());
    if (this._status === 'suspended') return err(new UserSuspended());

    this._lastLoginAt = at;
    if (rehashed) this._passwordHash = rehashed;
    this.record({ type: 'UserLoggedIn', loggedInAt: at });
    return ok();
  }

  /** Whether a session of the user that began at an epoch, or was refreshed at it, goes on. */
  holdsSession({ id, epoch }: { readonly id: string; readonly epoch: number }): boolean {
    return this._status === 'active' && (epoch >= this._sessionEpoch || id === this._keptSession);
  }

  /** Notes that a session ended on the user's wish. The version stays, as with a log-in. */
  logOut(session: string): Result<void, UserDeleted> {
    if (this._status === 'deleted') return err(new UserDeleted());

    this.record({ type: 'UserLoggedOut', session });
    return ok();
  }

  /** Ends every session but `keptSession`; empty is none. The version stays: the ends of sessions are in no edit's way. */
  endSessions(keptSession: string): Result<void, UserDeleted> {
    if (this._status === 'deleted') return err(new UserDeleted());

    this.raiseEpoch(keptSession);
    this.record({ type: 'UserSessionsEnded' });
    return ok();
  }

  changeEmail(email: string, change: Change): Result<void, UserDeleted | VersionMismatch> {
    return this.decide(change, () => {
      if (email === this._email) return undefined;
      this._email = email;
      return { type: 'UserEmailChanged', email };
    });
  }

  changeName(name: string, change: Change): Result<void, UserDeleted | VersionMismatch> {
    return this.decide(change, () => {
      if (name === this._name) return undefined;
      this._name = name;
      return { type: 'UserNameChanged', name };
    });
  }

  /** Ends every session but `keptSession`. */
  changePassword(
    passwordHash: string,
    keptSession: string,
    change: Change,
  ): Result<void, UserDeleted | UserSuspended | VersionMismatch> {
    if (this._status === 'suspended') return err(new UserSuspended());
    return this.decide(change, () => {
      this._passwordHash = passwordHash;
      this.raiseEpoch(keptSession);
      return { type: 'UserPasswordChanged' };
    });
  }

  suspend(reason: string, change: Change): Result<void, UserDeleted | VersionMismatch> {
    return this.decide(change, () => {
      if (this._status === 'suspended') return undefined;
      this._status = 'suspended';
      this.raiseEpoch();
      return { type: 'UserSuspended', reason };
    });
  }

  reactivate(reason: string, change: Change): Result<void, UserDeleted | VersionMismatch> {
    return this.decide(change, () => {
      if (this._status === 'active') return undefined;
      this._status = 'active';
      return { type: 'UserReactivated', reason };
    });
  }

  grantRole(role: string, change: Change): Result<void, UserDeleted | VersionMismatch> {
    return this.decide(change, () => {
      if (this._roles.includes(role)) return undefined;
      this._roles = [...this._roles, role].sort();
      return { type: 'UserRoleGranted', role };
    });
  }

  /** Ends the sessions, because their tokens still name the role. */
  revokeRole(role: string, change: Change): Result<void, UserDeleted | VersionMismatch> {
    return this.decide(change, () => {
      if (!this._roles.includes(role)) return undefined;
      this._roles = this._roles.filter((held) => held !== role);
      this.raiseEpoch();
      return { type: 'UserRoleRevoked', role };
    });
  }

  /** Erases what is personal; the id, the times and the status stay. */
  delete(change: Change): Result<void, UserDeleted | VersionMismatch> {
    return this.decide(change, () => {
      this._email = null;
      this._name = '';
      this._passwordHash = null;
      this._lastLoginAt = null;
      this._roles = [];
      this._status = 'deleted';
      this.raiseEpoch();
      return { type: 'UserDeleted' };
    });
  }

  /** Applies a change unless something stands against it. Nothing is recorded when there is nothing to change. */
  private decide(change: Change, apply: () => UserEvent | undefined): Result<void, UserDeleted | VersionMismatch> {
    if (this._status === 'deleted') return err(new UserDeleted());
    if (change.expectedVersion !== undefined && change.expectedVersion !== BigInt(this._version)) {
      return err(new VersionMismatch(this._version));
    }
    const event = apply();
    if (event) this.change(change.at, event);
    return ok();
  }

  private raiseEpoch(keptSession?: string): void {
    this._sessionEpoch += 1;
    this._keptSession = keptSession || null;
  }

  private change(at: Date, event: UserEvent): void {
    this._updatedAt = at;
    if (!this._changed) this._version += 1;
    this._changed = true;
    this.record(event);
  }

  private record(event: UserEvent): void {
    this._events = [...(this._events ?? []), event];
  }
}
