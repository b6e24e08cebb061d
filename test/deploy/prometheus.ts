import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { available, run, type Tool } from '../interop/tool.ts';
import { PATIENCE } from '../support/patience.ts';
import { temporaryDataDir } from '../support/temporary-data-dir.ts';

/** Debian's package prometheus has both programs. */
export const prometheusTool: Tool = await available(async () => {
  for (const program of ['prometheus', 'promtool']) await run(program, ['--version']);
  return '';
});

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Exemplar {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A Prometheus of the test's own. */
export interface Prometheus extends AsyncDisposable {
  /** What an expression gives now. */
  readonly query: (expr: string) => Promise<Sample[]>;
  /** The exemplars of the last hour of the series that an expression names. */
  readonly exemplars: (expr: string) => Promise<Exemplar[]>;
  /** The names of the alerts that are raised. */
  readonly alerts: () => Promise<string[]>;
}

/**
 * Starts it with the configuration and the rules of deploy/prometheus, changed in what would take minutes: it scrapes the one target and
 * evaluates the rules every second, and alerts are raised without a wait.
 */
export async function startPrometheus(target: string): Promise<Prometheus> {
  await using resources = new AsyncDisposableStack();
  const folder = resources.use(temporaryDataDir()).path;
  hastyCopy(folder, target);
  const args = [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/data`,
    '--web.listen-address=127.0.0.1:0',
    '--enable-feature=exemplar-storage',
  ];
  const child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'close');
  resources.defer(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  let log = '';
  const address = await new Promise<string>((resolve, reject) => {
    const tooLate = setTimeout(() => reject(new Error(`Prometheus does not start: ${log}`)), PATIENCE);
    ended.then(() => reject(new Error(`Prometheus ended: ${log}`)));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      log += chunk;
      const [, found] = /msg="Listening on" (?:component=web )?address=(\S+)/.exec(log) ?? [];
      if (!found) return;
      clearTimeout(tooLate);
      resolve(found);
    });
  });

  async function ask<Data>(path: string, parameters: Record<string, string>): Promise<Data> {
    const response = await fetch(`http://${address}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const answer = (await response.json()) as { status: string; error?: string; data: Data };
    if (answer.status !== 'success') throw new Error(`${JSON.stringify(parameters)}: ${answer.error}`);
    return answer.data;
  }

  const query = async (expr: string): Promise<Sample[]> => {
    type Vector = { result: { metric: Record<string, string>; value: [number, string] }[] };
    const { result } = await ask<Vector>('query', { query: expr });
    return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
  };
  const kept = resources.move();
  return {
    query,
    exemplars: async (expr) => {
      const [start, end] = [Date.now() / 1000 - 3600, Date.now() / 1000 + 60].map(String) as [string, string];
      type Series = { exemplars: { labels: Record<string, string>; value: string }[] };
      const series = await ask<Series[]>('query_exemplars', { query: expr, start, end });
      return series.flatMap(({ exemplars }) => exemplars.map(({ labels, value }) => ({ labels, value: Number(value) })));
    },
    alerts: async () => (await query('ALERTS{alertstate="firing"}')).map(({ metric }) => metric.alertname ?? ''),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function hastyCopy(folder: string, target: string): void {
  interface Config {
    global: Record<string, string>;
    scrape_configs: { static_configs: { targets: string[] }[] }[];
  }
  const config = parse(readFileSync('deploy/prometheus/prometheus.yml', 'utf8')) as Config;
  config.global = { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' };
  for (const { static_configs } of config.scrape_configs) static_configs[0] = { targets: [target] };
  mkdirSync(join(folder, 'rules'), { recursive: true });
  writeFileSync(join(folder, 'prometheus.yml'), stringify(config));
  for (const file of readdirSync('deploy/prometheus/rules')) {
    const rules = readFileSync(join('deploy/prometheus/rules', file), 'utf8');
    writeFileSync(join(folder, 'rules', file), rules.replaceAll(/^( +for:) .*/gm, '$1 0s'));
  }
}
