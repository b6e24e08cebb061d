import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startService } from '../support/service.ts';
import { createGrpcurl, type Grpcurl, type Refusal } from './grpcurl.ts';
import { itIsTheStory, PEOPLE, type SeenError, type SeenUser, type Story } from './story.ts';
import { describeWith, installed, oneAtATime, run } from './tool.ts';

const source = join(import.meta.dirname, 'grpcurl');

const program = await installed({
  name: 'grpcurl',
  version: async () => ['go.mod', 'go.sum'].map((file) => readFileSync(join(source, file), 'utf8')).join(''),
  async install(folder) {
    await mkdir(folder);
    const build = ['build', '-buildvcs=false', '-o', join(folder, 'grpcurl')];
    const grpcurl = 'github.com/fullstorydev/grpcurl/cmd/grpcurl';
    await oneAtATime(() => run('go', [...build, grpcurl], { cwd: source }));
  },
});

describeWith('grpcurl, by reflection', program, (folder) => {
  const resources = new AsyncDisposableStack();
  let grpcurl: Grpcurl;
  let connect: Grpcurl;
  let story: Story;

  beforeAll(async () => {
    const service = resources.use(await startService());
    grpcurl = createGrpcurl({ folder, address: service.grpcAddress });
    connect = createGrpcurl({ folder, address: service.httpAddress });
    story = await tell(grpcurl, await service.adminToken());
  });
  afterAll(async () => resources.disposeAsync());

  it('lists the services', async () => {
    const services = (await grpcurl.print([], 'list')).trim().split('\n');
    expect(services).toEqual(
      expect.arrayContaining(['grpc.health.v1.Health', 'users.v1.CommandService', 'users.v1.QueryService']),
    );
    expect(await grpcurl.print([], 'list', 'users.v1.QueryService')).toContain('users.v1.QueryService.ListUsers\n');
  });

  it('finds the same at the Connect door', async () => {
    expect(await connect.print([], 'list')).toBe(await grpcurl.print([], 'list'));
    const { message } = await connect.call<{ status: string }>('grpc.health.v1.Health/Check', { service: '' });
    expect(message.status).toBe('SERVING');
    expect((await connect.refused('users.v1.QueryService/GetUser', {})).code).toBe(16);
  });

  it('describes a service with its access rules', async () => {
    const service = await grpcurl.print([], 'describe', 'users.v1.CommandService');
    expect(service).toContain('rpc CreateUser ( .users.v1.CreateUserRequest ) returns ( .users.v1.CreateUserResponse ) {');
    expect(service).toContain('option (.cqrs.v1.access) = { permission: "users.write", self: "user_id" };');
  });

  it('describes a message with its validation rules', async () => {
    const message = await grpcurl.print([], 'describe', 'users.v1.CreateUserRequest');
    expect(message).toContain('(.buf.validate.field) = { string: { max_len: 254, email: true } }');
    expect(message).toContain('debug_redact = true');
  });

  it('describes the health service and the details of errors', async () => {
    expect(await grpcurl.print([], 'describe', 'grpc.health.v1.Health')).toContain('rpc Check (');
    expect(await grpcurl.print([], 'describe', 'google.rpc.ErrorInfo')).toContain('map<string, string> metadata');
  });

  itIsTheStory(() => story);
});

interface UserJson {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly status: string;
  readonly version: string;
  readonly lastLoginAt?: string;
}

async function tell({ call, refused }: Grpcurl, adminToken: string): Promise<Story> {
  const { ada, bob, invalid } = PEOPLE;
  const created = [];
  for (const person of [ada, bob]) {
    const { message } = await call<{ user: UserJson }>('users.v1.CommandService/CreateUser', person);
    created.push(seenUser(message.user));
  }

  const { email, password } = ada;
  const { message: login } = await call<{ user: UserJson; accessToken: string; expiresAt: string }>(
    'users.v1.CommandService/LogIn',
    { email, password },
  );
  const myself = { userId: login.user.id };
  // The replica may not have the new user yet.
  const asCaller = (token: string) => [`authorization: Bearer ${token}`, 'cqrs-consistency: strong'];
  const read = await call<{ user: UserJson }>('users.v1.QueryService/GetUser', myself, asCaller(login.accessToken));

  const pages = [];
  let pageToken = '';
  for (let page = 1; page <= 2; page += 1) {
    const { message } = await call<{ users: readonly UserJson[]; totalSize: string; nextPageToken?: string }>(
      'users.v1.QueryService/ListUsers',
      { pageSize: 1, pageToken, includeTotal: true },
      asCaller(adminToken),
    );
    pageToken = message.nextPageToken ?? '';
    pages.push({ ids: message.users.map(({ id }) => id), totalSize: Number(message.totalSize), hasNext: pageToken !== '' });
  }

  const error = async (method: string, request: object) => seenError(await refused(method, request));
  const healthOf = async (service: string) =>
    (await call<{ status: string }>('grpc.health.v1.Health/Check', { service })).message.status;
  return {
    created,
    loggedIn: { user: seenUser(login.user), expiresInSeconds: (Date.parse(login.expiresAt) - Date.now()) / 1000 },
    read: { ...seenUser(read.message.user), servedBy: /^cqrs-served-by: (.*)$/m.exec(read.headers)?.[1] ?? '' },
    pages,
    errors: {
      emailTaken: await error('users.v1.CommandService/CreateUser', ada),
      invalid: await error('users.v1.CommandService/CreateUser', invalid),
      wrongPassword: await error('users.v1.CommandService/LogIn', { email, password: bob.password }),
      noToken: await error('users.v1.QueryService/GetUser', myself),
    },
    health: { '': await healthOf(''), 'users.v1.QueryService': await healthOf('users.v1.QueryService') },
  };
}

function seenUser({ lastLoginAt, version, ...user }: UserJson): SeenUser {
  return { ...user, version: Number(version), hasLoggedIn: lastLoginAt !== undefined };
}

function seenError({ code, message, details }: Refusal): SeenError {
  const detail = (type: string) => details.find((any) => any['@type'] === `type.googleapis.com/google.rpc.${type}`);
  const info = detail('ErrorInfo') as Pick<SeenError, 'reason' | 'domain'> | undefined;
  const resource = detail('ResourceInfo') as { resourceType: string; resourceName: string } | undefined;
  const bad = detail('BadRequest') as { fieldViolations: NonNullable<SeenError['violations']> } | undefined;
  return {
    code,
    message,
    reason: info?.reason ?? '',
    domain: info?.domain ?? '',
    ...(resource && { resource: { type: resource.resourceType, name: resource.resourceName } }),
    ...(bad && { violations: bad.fieldViolations }),
  };
}
