import { setTimeout as delay } from 'node:timers/promises';
import {
  create,
  type DescMethodUnary,
  fromJson,
  type MessageInitShape,
  type MessageShape,
  toJsonString,
} from '@bufbuild/protobuf';
import { CommandService } from '../../gen/users/v1/command_service_pb.js';
import { type ListUsersRequest, QueryService } from '../../gen/users/v1/query_service_pb.js';
import { UserStatus } from '../../gen/users/v1/user_pb.js';
import type { Bench } from '../bench.ts';
import { pathOf } from '../calls.ts';
import { userId } from '../data/user-numbers.ts';
import { figure, quantile } from '../statistics.ts';
import type { Subject } from '../subjects/subject.ts';
import type { Findings, Measure, Ratio, Workload } from '../workload.ts';

const { listUsers } = QueryService.method;

const PAGE_SIZE = 10;
/** The row gives this name to three users, who are far from each other in every order but that of names. */
const RARE = { name: 'Wolfram Wolframsonson', places: [0.3, 0.6, 0.9] };
/** Of one, two, three and twenty letters. The first common one is in every address, the others are in one of 12 or fewer. */
const TERMS = {
  common: ['e', 'gr', 'gra', 'kathleen.engelbart.1'],
  rare: ['w', 'wo', 'wol', 'wolfram wolframsonso'],
  absent: ['q', 'qz', 'qzx', 'nobody.is.called.so.'],
  // Every three letters of it are in many addresses.
  'absent as a whole': ['hopper.grace.hopper.'],
} as const;
const COMMON_TERM = TERMS.common[2];
const ORDERS = ['created_at', 'email', 'name'].flatMap((column) => [column, `${column} desc`]);
/** The deepest page that the contract lets a client name. */
const DEEPEST_PAGE = 100_000;

const CALLS = 30;
const WARM_UP_CALLS = 5;
/** Of one question, in milliseconds: a slow one is asked less often, but three times at least. */
const MOST_TIME = 600;
/** How long the first user, or a page, is looked for where pages are empty, in milliseconds. */
const MOST_LOOKING = 2_000;

type Request = Partial<Omit<ListUsersRequest, '$typeName' | '$unknown'>>;

interface Question {
  /** Questions of a kind are a line of the table. */
  readonly kind: string;
  readonly request: Request;
  /** So many users stand before the page, which is asked for by its token. */
  readonly behind?: number;
  /** How many times as long as page 1 it may take. */
  readonly goal: number;
}

interface Asked {
  readonly question: Question;
  /** Beside page 1 of the same order without a search, by the medians of calls in turn. */
  readonly ratio: number;
  readonly ms: number;
  /** Calls and milliseconds to the first user, or to the end where there is none. */
  readonly pages: number;
  readonly lookingMs: number;
}

export const search: Workload = {
  name: 'search',
  about: `ListUsers as Connect JSON, ${PAGE_SIZE} users a page, one call at a time, beside page 1 without a search in the same order`,
  run: async (bench): Promise<Findings> => {
    if (!bench.subjects.has('ours')) return { measures: [], ratios: [], problems: [] };
    const client = clientOf(bench, await bench.start('ours'));
    bench.say('three users get a name that is rare');
    await nameTheRare(client, bench.users);

    const questions = questionsOf(bench.users);
    const answers: Asked[] = [];
    const problems: string[] = [];
    for (const [place, question] of questions.entries()) {
      bench.say(`${place + 1} of ${questions.length}: ${textOf(question)}`);
      try {
        const asked = await askOften(client, question);
        if (asked) answers.push(asked);
      } catch (error) {
        problems.push(`${textOf(question)}: ${error}`);
      }
    }
    const kinds = [...Map.groupBy(answers, ({ question }) => question.kind)].map(([kind, asked]) => ({ kind, asked }));
    return { measures: kinds.flatMap(measuresOf), ratios: kinds.map(worstRatio), problems };
  },
};

function questionsOf(users: number): Question[] {
  const terms = Object.entries(TERMS).flatMap(([kind, ones]) =>
    ones.map((term) => ({ kind: `${kind}, ${term.length} ${term.length === 1 ? 'letter' : 'letters'}`, term })),
  );
  const deepest = Math.min(users / PAGE_SIZE, DEEPEST_PAGE);
  return [
    ...terms.flatMap(({ kind, term }) => ORDERS.map((orderBy) => ({ kind, request: { search: term, orderBy }, goal: 10 }))),
    ...TERMS.common.flatMap((term) =>
      ORDERS.map((orderBy) => ({ kind: 'common, page 10', request: { search: term, orderBy }, behind: 9 * PAGE_SIZE, goal: 10 })),
    ),
    ...terms.flatMap(({ term }) =>
      [UserStatus.ACTIVE, UserStatus.SUSPENDED].map((status) => ({
        kind: 'with a status',
        request: { search: term, status, orderBy: 'created_at' },
        goal: 10,
      })),
    ),
    ...['', ...terms.map(({ term }) => term)].map((term) => ({
      kind: 'include_total',
      request: { search: term, includeTotal: true, orderBy: 'created_at' },
      goal: 20,
    })),
    ...['', COMMON_TERM].flatMap((term) =>
      [10, deepest / 10, deepest].map((page) => ({
        kind: 'page N',
        request: { search: term, page, orderBy: 'created_at' },
        goal: 20,
      })),
    ),
  ];
}

const textOf = ({ kind, request }: Question): string => `${kind} ${JSON.stringify(request)}`;

/** Undefined where there is no such page. */
async function askOften(client: Client, { request: asked, ...question }: Question): Promise<Asked | undefined> {
  const request: Request = { ...asked, pageSize: PAGE_SIZE };
  if (question.behind !== undefined) {
    const pageToken = await tokenBehind(client, request, question.behind);
    if (!pageToken) return;
    request.pageToken = pageToken;
  }
  const page1: Request = { orderBy: request.orderBy ?? '', pageSize: PAGE_SIZE };
  const times: [asked: number[], page1: number[]] = [[], []];
  const began = performance.now();
  for (let calls = 0; calls < WARM_UP_CALLS + CALLS; calls += 1) {
    const pair = [(await client.ask(listUsers, request)).ms, (await client.ask(listUsers, page1)).ms] as const;
    if (calls >= WARM_UP_CALLS || performance.now() - began > MOST_TIME)
      for (const side of [0, 1] as const) times[side].push(pair[side]);
    if (times[0].length >= 3 && performance.now() - began > MOST_TIME) break;
  }
  const [ms, page1Ms] = times.map((ones) => quantile(ones.toSorted(ascending), 0.5)) as [number, number];
  const { pages, lookingMs } = await lookForFirst(client, request);
  return { question: { ...question, request: asked }, ratio: ms / page1Ms, ms, pages, lookingMs };
}

/** The token of the page behind so many users; empty where there are no more, or they are not found soon. */
async function tokenBehind(client: Client, request: Request, users: number): Promise<string> {
  let pageToken = '';
  let lookingMs = 0;
  for (let before = users; before > 0; ) {
    const { answer, ms } = await client.ask(listUsers, { ...request, pageToken, pageSize: before });
    lookingMs += ms;
    if (!answer.nextPageToken || lookingMs > MOST_LOOKING) return '';
    pageToken = answer.nextPageToken;
    before -= answer.users.length;
  }
  return pageToken;
}

/** Turns pages while they are empty. */
async function lookForFirst(client: Client, request: Request): Promise<Pick<Asked, 'pages' | 'lookingMs'>> {
  let pages = 0;
  let lookingMs = 0;
  let pageToken = request.pageToken ?? '';
  do {
    const { answer, ms } = await client.ask(listUsers, { ...request, pageToken, ...(pageToken && { page: 0 }) });
    pages += 1;
    lookingMs += ms;
    pageToken = answer.users.length === 0 ? answer.nextPageToken : '';
  } while (pageToken && lookingMs < MOST_LOOKING);
  return { pages, lookingMs };
}

interface Kind {
  readonly kind: string;
  readonly asked: readonly Asked[];
}

/** The spread is that of the questions: each is asked in one round. */
function measuresOf({ kind, asked }: Kind): Measure[] {
  const largest = (of: 'pages' | 'lookingMs'): number => Math.max(...asked.map((one) => one[of]));
  return [
    { subject: kind, measure: 'questions', figure: figure([asked.length]) },
    { subject: kind, measure: 'times page 1', figure: figure(asked.map(({ ratio }) => ratio)) },
    { subject: kind, measure: 'p50 ms at worst', figure: figure([Math.max(...asked.map(({ ms }) => ms))]) },
    { subject: kind, measure: 'calls to the first user', figure: figure([largest('pages')]) },
    { subject: kind, measure: 'ms to the first user', figure: figure([largest('lookingMs')]) },
  ];
}

function worstRatio({ asked }: Kind): Ratio {
  const worst = asked.reduce((one, other) => (other.ratio > one.ratio ? other : one));
  return {
    name: `at worst ${textOf(worst.question)} / page 1`,
    figure: figure([worst.ratio]),
    goal: { atMost: worst.question.goal },
  };
}

interface Client {
  readonly ask: <M extends DescMethodUnary>(
    method: M,
    request: MessageInitShape<M['input']>,
  ) => Promise<{ readonly answer: MessageShape<M['output']>; readonly ms: number }>;
}

/** Calls as Connect JSON. What is measured ends with the last byte: the client's own work would be the same for a slow answer and a fast one. */
function clientOf(bench: Bench, { httpPort }: Subject): Client {
  return {
    async ask<M extends DescMethodUnary>(method: M, request: MessageInitShape<M['input']>) {
      const headers = { 'content-type': 'application/json', authorization: await bench.authorization() };
      const body = toJsonString(method.input, create(method.input, request));
      const began = performance.now();
      const response = await fetch(`http://127.0.0.1:${httpPort}${pathOf(method)}`, { method: 'POST', headers, body });
      const text = await response.text();
      const ms = performance.now() - began;
      if (!response.ok) throw new Error(text);
      return { answer: fromJson(method.output, JSON.parse(text)) as MessageShape<M['output']>, ms };
    },
  };
}

async function nameTheRare(client: Client, users: number): Promise<void> {
  const { getUser } = QueryService.method;
  for (const place of RARE.places) {
    const id = userId(Math.round(place * users));
    const hasName = async (): Promise<boolean> => (await client.ask(getUser, { userId: id })).answer.user?.name === RARE.name;
    if (await hasName()) continue;
    await client.ask(CommandService.method.changeName, { userId: id, name: RARE.name });
    while (!(await hasName())) await delay(50);
  }
}

const ascending = (one: number, other: number): number => one - other;
