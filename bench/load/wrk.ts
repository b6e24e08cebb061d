import { spawn } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ID_PREFIX } from '../data/user-numbers.ts';

/** The driver is not there, or did not do what it was asked; the message says what to do. */
export class WrkError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WrkError';
  }
}

const MISSING = 'wrk is missing. It is in the package wrk of Debian and Ubuntu (apt-get install wrk).';

/** POST requests of JSON over HTTP/1.1, each for another user. */
export interface WrkLoad {
  readonly port: number;
  readonly path: string;
  readonly authorization: string;
  readonly users: number;
  /** The rest of the body, in JSON; `$` stands for a text that is another in each call. */
  readonly fields: string;
  /** A header that has such a text in each call: what h2load cannot do. */
  readonly changingHeader: string | undefined;
  readonly connections: number;
  readonly seconds: number;
}

export interface WrkCounts {
  readonly answered: number;
  /** Without an answer, or with another status than 2xx. */
  readonly failed: number;
  readonly perSecond: number;
}

let runs = 0;

/** Runs wrk once. Throws WrkError. */
export async function runWrk(load: WrkLoad): Promise<WrkCounts> {
  runs += 1;
  const script = join(tmpdir(), `bicameral-wrk-${process.pid}-${runs}.lua`);
  await writeFile(script, scriptOf(load, `${Date.now()}-${runs}`));
  try {
    const { port, path, connections, seconds } = load;
    const url = `http://127.0.0.1:${port}${path}`;
    return parse(await output(['-t1', `-c${connections}`, `-d${Math.ceil(seconds)}s`, '-s', script, url]));
  } finally {
    await rm(script, { force: true });
  }
}

const scriptOf = ({ authorization, users, fields, changingHeader }: WrkLoad, run: string): string => `
local n = 0
request = function()
  n = n + 1
  local text = "${run}-" .. n
  local headers = { ["content-type"] = "application/json", ["authorization"] = "${authorization}" }
  ${changingHeader === undefined ? '' : `headers["${changingHeader}"] = text`}
  local fields = string.gsub('${fields}', "%$", text)
  local body = string.format('{"userId":"${ID_PREFIX}%012d",%s}', (n * 7919) % ${users}, fields)
  return wrk.format("POST", nil, headers, body)
end
done = function(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("counted %d %d %d\\n", summary.requests, failed, summary.duration))
end
`;

async function output(argv: readonly string[]): Promise<string> {
  const child = spawn('wrk', argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) => reject('code' in error && error.code === 'ENOENT' ? new WrkError(MISSING) : error));
    child.once('close', resolve);
  });
  const [out, problems, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code !== 0) throw new WrkError(`wrk ended with code ${code}: ${problems || out}`);
  return out;
}

function parse(out: string): WrkCounts {
  const [, answered, failed, micros] = (/counted (\d+) (\d+) (\d+)/.exec(out) ?? []).map(Number);
  if (answered === undefined || failed === undefined || !micros)
    throw new WrkError(`wrk printed something else than expected:\n${out}`);
  return { answered, failed, perSecond: (answered / micros) * 1e6 };
}
