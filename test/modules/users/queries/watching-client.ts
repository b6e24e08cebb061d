import { type Client, ConnectError } from '@connectrpc/connect';
import type { QueryService, WatchUsersResponse } from '#gen/users/v1/query_service_pb.js';
import type { User } from '#gen/users/v1/user_pb.js';

type Request = Parameters<Client<typeof QueryService>['watchUsers']>[0];

/** A client of WatchUsers as the contract describes it: a map by id, and the last token. It can be cut, and goes on where it was. */
export class WatchingClient {
  readonly users = new Map<string, User>();
  /** Users who came in an older version than before in the same stream. */
  readonly wentBack: User[] = [];
  /** How often it has caught up. */
  timesCaughtUp = 0;
  messages = 0;
  resumeToken = '';
  readonly #request: Request;
  readonly #versions = new Map<string, bigint>();
  #call: AbortController | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(request: Request) {
    this.#request = request;
  }

  /** Calls, and takes what comes until it is cut. With `pause`, it waits after each message. */
  connect(
    queries: Client<typeof QueryService>,
    { headers = {}, pause }: { headers?: Record<string, string>; pause?: () => Promise<void> } = {},
  ): void {
    const call = new AbortController();
    // Without a token the stream begins anew, and so does the map.
    if (this.resumeToken === '') this.users.clear();
    this.#versions.clear();
    this.#call = call;
    const read = async (): Promise<void> => {
      const request = { ...this.#request, resumeToken: this.resumeToken };
      try {
        for await (const message of queries.watchUsers(request, { headers, signal: call.signal })) {
          if (call.signal.aborted) return;
          this.#take(message);
          await pause?.();
        }
      } catch (error) {
        if (!call.signal.aborted) throw ConnectError.from(error);
      }
    };
    this.#reading = read();
    this.#reading.catch(() => {});
  }

  /** Breaks off. Throws what the stream failed with before. */
  async cut(): Promise<void> {
    this.#call?.abort();
    await this.#reading;
  }

  #set(user: User): void {
    if (user.version < (this.#versions.get(user.id) ?? 0n)) this.wentBack.push(user);
    this.#versions.set(user.id, user.version);
    this.users.set(user.id, user);
  }

  #take({ change, resumeToken }: WatchUsersResponse): void {
    this.messages += 1;
    if (resumeToken !== '') this.resumeToken = resumeToken;
    if (change.case === 'snapshot' || change.case === 'upsert') this.#set(change.value);
    else if (change.case === 'removed') this.users.delete(change.value.userId);
    else if (change.case === 'caughtUp') this.timesCaughtUp += 1;
  }
}

/** What ListUsers returns for the same filter, by id. */
export async function listed(
  queries: Client<typeof QueryService>,
  filter: Pick<Parameters<Client<typeof QueryService>['listUsers']>[0], 'status' | 'search'>,
): Promise<Map<string, User>> {
  const users = new Map<string, User>();
  let pageToken = '';
  do {
    const page = await queries.listUsers({ ...filter, pageSize: 1000, pageToken }, { headers: { 'cqrs-consistency': 'strong' } });
    for (const user of page.users) users.set(user.id, user);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return users;
}
