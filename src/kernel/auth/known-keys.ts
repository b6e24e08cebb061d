import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { type Connection, SESSION, sessionName, withSettings } from '../database/connection.ts';
import { DatabaseClient } from '../database/database-client.ts';
import type { KeyRing } from './key-ring.ts';
import type { SigningKey } from './signing-key.ts';

/**
 * The database knows a key that the ring does not hold. Going on with another would end all sessions and leave the seals of the log
 * without proof; the message says how to go on.
 */
export class SigningKeyLost extends Error {
  constructor(keyIds: readonly string[], place: string) {
    const [keys, them] = keyIds.length > 1 ? ['keys', 'them'] : ['key', 'it'];
    super(
      `The database was used with the signing ${keys} ${keyIds.join(', ')}, and ${place} does not hold ${them}. ` +
        `Put ${them} back: the key that signs as signing-key.pem, an earlier key as signing-key-<id>.pem, or its public half alone. ` +
        'Give up a key that is lost for good with `bicameral keys forget <id>`: then another key signs, all sessions end, and the ' +
        'seals of the lost key can no longer be verified. See docs/configuration.md.',
    );
    this.name = 'SigningKeyLost';
  }
}

/** The key that is to sign was given up before: what it signed since could be anybody's. */
export class SigningKeyGivenUp extends Error {
  constructor(keyId: string) {
    super(
      `The signing key ${keyId} was given up with \`bicameral keys forget\`: let another key sign, e.g. with \`bicameral keys rotate\`.`,
    );
    this.name = 'SigningKeyGivenUp';
  }
}

/** What the database holds of a key was not written with it. */
class DigestKeyUnreadable extends Error {
  constructor(keyId: string) {
    super(`cqrs.signing_key does not hold what the key ${keyId} wrote there: restore the table from a backup.`);
    this.name = 'DigestKeyUnreadable';
  }
}

/** Derives keys of 32 bytes for digests that have to be found again, another for each purpose. */
export type DeriveDigestKey = (purpose: string) => Buffer;

/** How long the database may take, in milliseconds. */
const PATIENCE = 10_000;

const KNOWN = `select key_id, digest_key, forgotten_at is not null as forgotten from cqrs.signing_key order by known_since, key_id`;

/** Before the table there was one key; of a database that had lost it before, the one that seals now is what counts. */
const SEALED_BY = 'select key_id from cqrs.command_seal_batch order by number desc limit 1';

const ADD = 'insert into cqrs.signing_key (key_id, digest_key) values ($1, $2) on conflict (key_id) do nothing';

interface KnownRow {
  readonly key_id: string;
  readonly digest_key: Buffer;
  readonly forgotten: boolean;
}

/** Throws SigningKeyLost when the database was used with a key that is not among these. `place` says where they are. */
export async function assertKeysHeld(writer: Connection, all: KeyRing['all'], place: string): Promise<void> {
  assertHeld(await connected(writer, knownRows), all, place);
}

/**
 * Notes that the database is used with the key that signs, and answers what makes digests that have to be found again after a
 * rotation. Throws SigningKeyLost or SigningKeyGivenUp.
 *
 * They are made with a key of the database's own, which stays the same for good. It is random and stored once for each signing key,
 * encrypted with it (AES-256-GCM): who reads the database alone learns nothing, and a new key takes over from one before it.
 */
export async function registerKey(writer: Connection, ring: KeyRing, place: string): Promise<DeriveDigestKey> {
  const digestKey = await connected(writer, async (client) => {
    await client.query('begin');
    // Instances that start at once: the second finds what the first has stored.
    await client.query(`select pg_advisory_xact_lock(hashtext('cqrs.signing_key'))`);
    const rows = await knownRows(client);
    assertHeld(rows, ring.all, place);
    const key = await digestKeyOf(client, rows, ring);
    await client.query('commit');
    return key;
  });
  return (purpose) => Buffer.from(hkdfSync('sha256', digestKey, 'bicameral digests', purpose, 32));
}

/** Gives a key up that is lost, as the owner of the schema; answers whether the database was used with it. */
export async function forgetKey(owner: Connection, keyId: string): Promise<boolean> {
  return await connected(owner, async (client) => {
    const known = await knownRows(client);
    if (!known.some(({ key_id, forgotten }) => key_id === keyId && !forgotten)) return false;
    await client.query(
      `insert into cqrs.signing_key (key_id, digest_key, forgotten_at) values ($1, '', now())
       on conflict (key_id) do update set digest_key = '', forgotten_at = now()`,
      [keyId],
    );
    return true;
  });
}

/** What is in the table, or of a database from before it, who sealed last. */
async function knownRows(client: pg.ClientBase): Promise<KnownRow[]> {
  const { rows } = await client.query<KnownRow>(KNOWN);
  if (rows.length > 0) return rows;
  const sealed = await client.query<{ key_id: string }>(SEALED_BY);
  return sealed.rows.map(({ key_id }) => ({ key_id, digest_key: Buffer.alloc(0), forgotten: false }));
}

function assertHeld(rows: readonly KnownRow[], all: KeyRing['all'], place: string): void {
  const lost = rows.filter(({ key_id, forgotten }) => !forgotten && !all.has(key_id));
  if (lost.length > 0)
    throw new SigningKeyLost(
      lost.map(({ key_id }) => key_id),
      place,
    );
}

async function digestKeyOf(client: pg.ClientBase, rows: readonly KnownRow[], { current, active }: KeyRing): Promise<Buffer> {
  const { kid } = current.publicJwk;
  if (rows.some(({ key_id, forgotten }) => key_id === kid && forgotten)) throw new SigningKeyGivenUp(kid);
  const stored = new Map(rows.flatMap(({ key_id, digest_key }) => (digest_key.length > 0 ? [[key_id, digest_key]] : [])));
  // The current key is the first.
  const holder = active.find(({ publicJwk }) => stored.has(publicJwk.kid));
  const sealed = holder && stored.get(holder.publicJwk.kid);
  const digestKey = sealed ? opened(sealed, holder) : randomBytes(32);
  if (holder === current) return digestKey;
  await client.query(ADD, [kid, sealedFor(current, digestKey)]);
  // Of a database from before the table: what sealed it is needed for as long as the log is.
  for (const { key_id } of rows) await client.query(ADD, [key_id, '']);
  return digestKey;
}

const NONCE = 12;
const TAG = 16;

/** Encrypted for one signing key, and of no use in the row of another. */
function sealedFor({ deriveKey, publicJwk: { kid } }: SigningKey, digestKey: Buffer): Buffer {
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv('aes-256-gcm', deriveKey('digest key'), nonce).setAAD(Buffer.from(kid));
  return Buffer.concat([nonce, cipher.update(digestKey), cipher.final(), cipher.getAuthTag()]);
}

function opened(sealed: Buffer, { deriveKey, publicJwk: { kid } }: SigningKey): Buffer {
  try {
    const nonce = sealed.subarray(0, NONCE);
    const decipher = createDecipheriv('aes-256-gcm', deriveKey('digest key'), nonce, { authTagLength: TAG })
      .setAAD(Buffer.from(kid))
      .setAuthTag(sealed.subarray(-TAG));
    return Buffer.concat([decipher.update(sealed.subarray(NONCE, -TAG)), decipher.final()]);
  } catch {
    throw new DigestKeyUnreadable(kid);
  }
}

async function connected<T>(connection: Connection, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const timeouts = { connectionTimeoutMillis: PATIENCE, query_timeout: PATIENCE };
  const client = new DatabaseClient({
    ...withSettings(connection, SESSION),
    application_name: sessionName(connection, 'keys'),
    ...timeouts,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    // A transaction that was not committed ends with the connection.
    await client.end();
  }
}
