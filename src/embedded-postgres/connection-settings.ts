/** How `pg` reaches one database as one role. `host` is the directory of the Unix-domain socket. */
export interface ConnectionSettings {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** Given explicitly, so that PGSSLMODE in the environment has no say: sockets have no TLS. */
  readonly ssl: false;
}
