import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';
import { createInstruments } from '../../src/kernel/telemetry/metrics/instruments.ts';

export const RULES = 'deploy/prometheus/rules';
const DASHBOARDS = 'deploy/grafana/dashboards';

export interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Of a panel of a dashboard, as Grafana sends it to Prometheus but for its variables. */
export interface PanelQuery {
  readonly dashboard: string;
  readonly panel: string;
  readonly expr: string;
}

interface Dashboard {
  readonly title: string;
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
}

export function readRules(): Rule[] {
  const files = readdirSync(RULES).map((file) => readFileSync(join(RULES, file), 'utf8'));
  return files.flatMap((text) => (parse(text) as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) => rules));
}

export function readPanelQueries(): PanelQuery[] {
  return readdirSync(DASHBOARDS).flatMap((file) => {
    const { title, panels } = JSON.parse(readFileSync(join(DASHBOARDS, file), 'utf8')) as Dashboard;
    return panels.flatMap((panel) =>
      (panel.targets ?? []).map(({ expr }) => ({ dashboard: title, panel: panel.title, expr: withoutVariables(expr) })),
    );
  });
}

/** The expression as it is when Grafana has put in what was chosen: all instances, and a window of some scrapes. */
function withoutVariables(expr: string): string {
  return expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*');
}

/** The metrics that an expression names; throws where it is no PromQL. */
export function metricsOf(expr: string): string[] {
  const names: string[] = [];
  parser.parse(expr).iterate({
    enter({ type, name, from, to, node }) {
      if (type.isError) throw new Error(`no PromQL at ${from}: ${expr}`);
      if (name === 'Identifier' && node.parent?.name === 'VectorSelector') names.push(expr.slice(from, to));
    },
  });
  return names;
}

/** Every name under which Prometheus knows a metric of the program, with what Prometheus itself adds. */
export function exportedNames(): Set<string> {
  const names = createInstruments()
    .registry.getMetricsAsArray()
    .flatMap((metric) => {
      const { name, type } = metric as unknown as { name: string; type: string };
      return type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
    });
  return new Set([...names, 'up', 'ALERTS']);
}
