/**
 * Makes the signing key and the passwords of compose.yaml, in a folder for each container, and leaves those that are there as they are.
 * Each can be read by the user of that container alone.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SERVICE = 65532;
const POSTGRES = 999;
const GRAFANA = 472;
const ROLES = ['superuser', 'replicator', 'app_owner', 'app_writer', 'app_reader'];

const root = process.argv[2];
const database = folder(join(root, 'database'), POSTGRES);
for (const role of ROLES) secret(join(database, role), POSTGRES, password);
const passwordOf = (role) => readFileSync(join(database, role), 'utf8');
// Host, port, database, role, password: as libpq reads them.
secret(join(database, 'replicator.pgpass'), POSTGRES, () => `primary:5432:*:replicator:${passwordOf('replicator')}\n`);

const service = folder(join(root, 'service'), SERVICE);
const logIns = ROLES.filter((role) => role.startsWith('app_'));
secret(join(service, 'pgpass'), SERVICE, () => logIns.map((role) => `*:5432:bicameral:${role}:${passwordOf(role)}\n`).join(''));
const keys = folder(join(service, 'keys'), SERVICE);
secret(join(keys, 'signing-key.pem'), SERVICE, () =>
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
);

secret(join(folder(join(root, 'grafana'), GRAFANA), 'admin'), GRAFANA, password);

function password() {
  return randomBytes(24).toString('base64url');
}

function folder(path, user) {
  mkdirSync(path, { recursive: true });
  chownSync(path, user, user);
  chmodSync(path, 0o500);
  return path;
}

function secret(path, user, make) {
  if (existsSync(path)) return;
  writeFileSync(path, make(), { mode: 0o400 });
  chownSync(path, user, user);
}
