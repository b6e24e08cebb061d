import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { version } from '../../src/kernel/contracts/version.ts';
import { exportedNames, metricsOf } from './monitoring.ts';

const text = (file: string): string => readFileSync(join('deploy', file), 'utf8');

/** Variables that are read by the libraries that the program stands on. */
const OF_LIBRARIES = /^(NODE_ENV|PGPASSFILE|OTEL_\w+)$/;

const undocumented = (variables: readonly string[]): string[] => {
  const page = readFileSync('docs/configuration.md', 'utf8');
  return variables.filter((variable) => !OF_LIBRARIES.test(variable) && !page.includes(`\`${variable}\``));
};

describe('compose.yaml', () => {
  interface Service {
    readonly image: string;
    readonly command?: readonly string[];
    readonly environment?: Readonly<Record<string, string>>;
    readonly ports?: readonly string[];
    readonly volumes?: readonly string[];
  }
  const { services } = parse(text('compose.yaml')) as { services: Readonly<Record<string, Service>> };
  const all = Object.values(services);

  it('publishes on loopback alone', () => {
    const ports = all.flatMap(({ ports = [] }) => ports);
    expect(ports.length).toBeGreaterThan(4);
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  });

  it('has the image of each other program at one version', () => {
    const others = all.map(({ image }) => image).filter((image) => image !== 'bicameral');
    expect(others.filter((image) => !/:v?\d+\.\d+(\.\d+)?$/.test(image))).toEqual([]);
  });

  it('holds no password: they are files of a volume', () => {
    const secrets = all.flatMap(({ environment = {} }) => Object.entries(environment));
    const named = secrets.filter(([name]) => /PASSWORD|SECRET|TOKEN/.test(name));
    expect(named.length).toBeGreaterThan(0);
    for (const [name, value] of named)
      expect([name, value]).toEqual([expect.stringMatching(/_FILE$/), expect.stringMatching(/^\/secrets\//)]);
    for (const [, value] of secrets) expect(value).not.toMatch(/:\/\/[^@/]*:[^@/]*@/);
  });

  it('mounts files that are there, and secrets to be read only by whom they are for', () => {
    const volumes = all.flatMap(({ volumes = [] }) => volumes);
    const files = volumes.filter((volume) => volume.startsWith('./')).map((volume) => volume.split(':')[0] ?? '');
    expect(files.filter((file) => !existsSync(join('deploy', file)))).toEqual([]);
    for (const volume of volumes.filter((one) => /^\S+-secrets:\/secrets(?!\/)/.test(one))) expect(volume).toMatch(/:ro$/);
  });

  it('names services that are there: in URLs, in what is scraped, in the data sources of Grafana', () => {
    const urls = Object.values(services.bicameral?.environment ?? {}).flatMap(
      (value) => /:\/\/(?:\w+@)?([\w.]+)/.exec(value)?.[1] ?? [],
    );
    const scraped = [...text('prometheus/prometheus.yml').matchAll(/targets: \['(\w+):/g)].map(([, name = '']) => name);
    const sources = [...text('grafana/provisioning/datasources/bicameral.yml').matchAll(/url: http:\/\/(\w+):/g)].map(
      ([, name = '']) => name,
    );
    expect(urls).toHaveLength(4);
    expect(scraped).toHaveLength(1);
    expect(sources).toHaveLength(2);
    expect([...urls, ...scraped, ...sources].filter((name) => !(name in services))).toEqual([]);
  });

  it('configures the service by variables that are documented', () => {
    expect(undocumented(Object.keys(services.bicameral?.environment ?? {}))).toEqual([]);
  });

  it('has Prometheus keep exemplars, and Grafana lead from them to Jaeger', () => {
    expect(services.prometheus?.command).toContain('--enable-feature=exemplar-storage');
    const { datasources } = parse(text('grafana/provisioning/datasources/bicameral.yml')) as {
      datasources: { uid: string; jsonData?: { exemplarTraceIdDestinations: { name: string; datasourceUid: string }[] } }[];
    };
    const [destination] = datasources.flatMap(({ jsonData }) => jsonData?.exemplarTraceIdDestinations ?? []);
    expect(destination).toMatchObject({ name: 'trace_id', datasourceUid: 'jaeger' });
    expect(datasources.map(({ uid }) => uid)).toContain('jaeger');
  });
});

describe('the Dockerfile', () => {
  const lines = text('Dockerfile').split('\n');
  const copied = lines
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from'))
    .flatMap((line) => line.split(' ').slice(1, -1));

  it('copies what is there and is sent to the builder', () => {
    const sent = text('Dockerfile.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    expect(copied.filter((path) => !existsSync(path))).toEqual([]);
    expect(copied.toSorted()).toEqual(sent.toSorted());
  });

  it('runs the service as `npm start` does, as a user that is a number and not root', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { start: string } };
    const entry = JSON.parse(
      lines.find((line) => line.startsWith('ENTRYPOINT '))?.slice('ENTRYPOINT '.length) ?? '[]',
    ) as string[];
    // What is compiled is kept for the next start, which a container does not have.
    expect(scripts.start).toBe(`NODE_COMPILE_CACHE=node_modules/.cache/compiled exec ${entry.join(' ')} serve`);
    expect(lines.findLast((line) => line.startsWith('USER '))).toMatch(/^USER [1-9]\d*:[1-9]\d*$/);
  });

  it('sets variables that are documented', () => {
    const variables = [...text('Dockerfile').matchAll(/^(?:ENV| ) (\w+)=\S+/gm)].map(([, name = '']) => name);
    expect(variables.length).toBeGreaterThan(4);
    expect(undocumented(variables)).toEqual([]);
  });
});

describe('the manifests for Kubernetes', () => {
  const manifest = (file: string) => parse(text(`kubernetes/${file}`));
  const { spec } = manifest('deployment.yaml').spec.template;
  const [container] = spec.containers;

  it('give a pod the time that its shutdown takes', () => {
    const grace = container.env.find(({ name }: { name: string }) => name === 'SHUTDOWN_GRACE_SECONDS').value;
    const needed = container.lifecycle.preStop.sleep.seconds + Number(grace) + 3;
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(needed);
  });

  it('probe the port that serves probes', () => {
    expect(container.ports).toContainEqual({ name: 'health', containerPort: 9000 });
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) expect(container[probe].httpGet.port).toBe('health');
    expect(text('Dockerfile')).toContain('HEALTH_ADDRESS=0.0.0.0:9000');
  });

  it('are of this version, and set variables that are documented', () => {
    const job = manifest('migrate.yaml').spec.template.spec.containers[0];
    for (const { image } of [container, job]) expect(image).toBe(`bicameral:${version()}`);
    expect(undocumented([...container.env, ...job.env].map(({ name }: { name: string }) => name))).toEqual([]);
  });

  it('choose the same pods everywhere', () => {
    const { labels } = manifest('deployment.yaml').spec.template.metadata;
    const services = parseAllDocuments(text('kubernetes/service.yaml')).map((document) => document.toJS().spec.selector);
    const selectors = [
      manifest('deployment.yaml').spec.selector.matchLabels,
      manifest('poddisruptionbudget.yaml').spec.selector.matchLabels,
      manifest('networkpolicy.yaml').spec.podSelector.matchLabels,
      ...services,
    ];
    for (const selector of selectors) expect(selector).toEqual(labels);
    expect(text('kubernetes/prometheus-scrape.yaml')).toContain(`regex: ${labels['app.kubernetes.io/name']};metrics`);
    expect(container.ports).toContainEqual({ name: 'metrics', containerPort: 9464 });
  });

  it('scale by a metric that the program exports and the adapter serves', () => {
    const [{ pods }] = manifest('horizontalpodautoscaler.yaml').spec.metrics;
    const [rule] = manifest('prometheus-adapter.yaml').rules.custom;
    const expr = rule.metricsQuery
      .replaceAll('<<.Series>>', pods.metric.name)
      .replaceAll('<<.LabelMatchers>>', 'namespace="default"')
      .replaceAll('<<.GroupBy>>', 'pod');
    expect(metricsOf(rule.seriesQuery)).toEqual([pods.metric.name]);
    expect(metricsOf(expr)).toEqual([pods.metric.name]);
    expect(exportedNames()).toContain(pods.metric.name);
  });

  it('hold no secret', () => {
    const values = parseAllDocuments(text('kubernetes/secret.yaml')).flatMap((document) =>
      Object.values(document.toJS().stringData),
    );
    expect(values.length).toBeGreaterThan(2);
    expect(values.filter((value) => value !== '')).toEqual([]);
  });

  it('are listed for kustomize, but for what is applied by itself and what is for others', () => {
    const { resources } = manifest('kustomization.yaml');
    const others = ['kustomization.yaml', 'migrate.yaml', 'prometheus-adapter.yaml', 'prometheus-scrape.yaml', 'secret.yaml'];
    expect([...resources, ...others].toSorted()).toEqual(readdirSync('deploy/kubernetes').toSorted());
  });
});
