import type { Client } from '@connectrpc/connect';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import type { TestApp } from '../../support/test-app.ts';

const TOKEN = 'cqrs-consistency-token';

/** What an answer said beside itself. */
export interface Said {
  readonly servedBy: string;
  readonly stalenessMs: number | undefined;
  readonly token: string;
}

const said = (header: Headers): Said => {
  const staleness = header.get('cqrs-staleness-ms');
  return {
    servedBy: header.get('cqrs-served-by') ?? '',
    stalenessMs: staleness === null ? undefined : Number(staleness),
    token: header.get(TOKEN) ?? '',
  };
};

/** Calls to one instance that show what answers say of freshness. */
export function freshnessOf(app: Pick<TestApp, 'client'>) {
  const commands: Client<typeof CommandService> = app.client(CommandService, { roles: ['admin'] });
  const queries: Client<typeof QueryService> = app.client(QueryService, { roles: ['auditor'] });
  const asked = async <T>(make: (onHeader: (header: Headers) => void) => Promise<T>): Promise<T & Said> => {
    let heard: Headers | undefined;
    const answer = await make((header) => {
      heard = header;
    });
    return { ...answer, ...said(heard ?? new Headers()) };
  };
  const headersOf = (token?: string, more: Record<string, string> = {}) => ({ ...more, ...(token && { [TOKEN]: token }) });
  return {
    /** Renames the user, and returns the token. */
    rename: async (userId: string, name: string): Promise<string> =>
      (await asked((onHeader) => commands.changeName({ userId, name }, { onHeader }))).token,
    /** The user's name, with or without a token. */
    read: async (
      userId: string,
      token?: string,
      more?: Record<string, string>,
    ): Promise<Said & { readonly name: string | undefined }> => {
      const options = { headers: headersOf(token, more) };
      const { user, ...rest } = await asked((onHeader) => queries.getUser({ userId }, { ...options, onHeader }));
      return { ...rest, name: user?.name };
    },
    list: async (token?: string) => await asked((onHeader) => queries.listUsers({}, { headers: headersOf(token), onHeader })),
    count: async (token?: string) =>
      await asked((onHeader) => queries.getUserStatistics({}, { headers: headersOf(token), onHeader })),
  };
}
