import { type ListUsersRequest, QueryService } from '../../gen/users/v1/query_service_pb.js';
import type { Bench } from '../bench.ts';
import { sameGrpcCall } from '../calls.ts';
import { type Contender, compare } from '../compare.ts';
import { TEXT_TO_SEARCH } from '../data/user-numbers.ts';
import { ask } from '../sampling.ts';
import type { Subject, SubjectName } from '../subjects/subject.ts';
import type { Workload } from '../workload.ts';

const method = QueryService.method.listUsers;

/** So that 10 thousand users have a thousandth page. */
const PAGE_SIZE = 10;
const PAGE = 1000;

type Request = Partial<Pick<ListUsersRequest, 'pageToken' | 'search'>>;

export const listUsers: Workload = {
  name: 'list-users',
  about: `ListUsers over gRPC, ${PAGE_SIZE} users a page: the first page, the ${PAGE}th by token, and those with "${TEXT_TO_SEARCH}"`,
  run: async (bench) => {
    const tokens = new Map<Subject, Promise<string>>();
    const thousandth = async (subject: Subject): Promise<Request> => {
      const token = tokens.get(subject) ?? tokenOfPage(bench, subject);
      tokens.set(subject, token);
      return { pageToken: await token };
    };
    const first = async (): Promise<Request> => ({});
    const search = async (): Promise<Request> => ({ search: TEXT_TO_SEARCH });
    const contender = (subject: SubjectName, question: string, request: (subject: Subject) => Promise<Request>): Contender => ({
      name: `${subject} ${question}`,
      subject,
      question,
      load: async (running) => ({
        port: running.grpcPort,
        ...sameGrpcCall(method, {
          request: { ...(await request(running)), pageSize: PAGE_SIZE },
          authorization: await bench.authorization(),
        }),
        processes: 4,
        connections: 1,
        streams: 8,
      }),
      sample: async (running) => identities(bench, running, await request(running)),
    });
    return await compare(bench, {
      contenders: [
        contender('ours', 'page 1', first),
        contender('ours', `page ${PAGE}`, thousandth),
        contender('ours', 'search', search),
        contender('floor', 'page 1', first),
        contender('floor', `page ${PAGE}`, thousandth),
        contender('floor', 'search', search),
        contender('peer', 'page 1', first),
      ],
      goals: [
        // A page that costs 1.3 times as much is answered 1 / 1.3 times as often.
        { of: `ours page ${PAGE}`, to: 'ours page 1', goal: { atLeast: 1 / 1.3 } },
        { of: 'ours page 1', to: 'floor page 1', goal: { atLeast: 0.8 } },
        { of: `ours page ${PAGE}`, to: `floor page ${PAGE}`, goal: { atLeast: 0.8 } },
        { of: 'ours search', to: 'floor search', goal: { atLeast: 0.8 } },
        { of: 'ours page 1', to: 'peer page 1' },
      ],
    });
  },
};

/** Turns pages of the largest size up to the one before the page that is measured. */
async function tokenOfPage(bench: Bench, subject: Subject): Promise<string> {
  let pageToken = '';
  for (let before = (PAGE - 1) * PAGE_SIZE; before > 0; ) {
    const pageSize = Math.min(before, 1000);
    const page = await ask(bench, { subject, method, request: { pageToken, pageSize } });
    pageToken = page.nextPageToken;
    before -= pageSize;
  }
  return pageToken;
}

/** Names and times are left out: the peer changes them in the write model only. */
async function identities(bench: Bench, subject: Subject, request: Request): Promise<unknown> {
  const { users } = await ask(bench, { subject, method, request: { ...request, pageSize: PAGE_SIZE } });
  return users.map(({ id, email, status, createdAt }) => ({ id, email, status, createdAt }));
}
