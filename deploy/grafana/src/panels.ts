import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  VizLegendOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardBuilder,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  MappingType,
  QueryVariableBuilder,
  RowBuilder,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as LinesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** The Prometheus that whoever looks has chosen at the top of the dashboard. */
const PROMETHEUS = { type: 'prometheus', uid: `\${datasource}` };

/** Matches the instances that are chosen at the top of the dashboard. */
export const CHOSEN = 'instance=~"$instance"';

export interface Query {
  readonly expr: string;
  /** How a line is named, of its labels: `{{method}}`. */
  readonly legend?: string;
}

interface Panel {
  readonly title: string;
  /** Of Grafana: `s`, `reqps`, `bytes`, `percentunit`. */
  readonly unit?: string;
  /** What it means, and when to be worried; shown beside the title. */
  readonly description?: string;
  /** Of 24 columns. */
  readonly width?: number;
}

/** Red from `red` on, amber from `amber` on, green before. With `descending` it is the other way round. */
export interface Limits {
  readonly amber?: number;
  readonly red: number;
  readonly descending?: boolean;
}

export interface LinesPanel extends Panel {
  readonly queries: readonly Query[];
  /** Drawn as a line. */
  readonly target?: number;
  /** Calls that stand for others are shown as points, which lead to their traces: for histograms of calls. */
  readonly exemplars?: boolean;
}

/** Lines over time, two in a row. */
export function lines({ title, unit = 'short', description, width = 12, queries, target, exemplars }: LinesPanel): LinesBuilder {
  const panel = new LinesBuilder()
    .title(title)
    .unit(unit)
    .span(width)
    .height(8)
    .min(0)
    .fillOpacity(5)
    .datasource(PROMETHEUS)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Right)
        .showLegend(true)
        .calcs(['lastNotNull', 'max'])
        .sortBy('Max')
        .sortDesc(true),
    )
    .targets(queries.map((query, index) => dataQuery(query, index).exemplar(exemplars ?? false)));
  if (description !== undefined) panel.description(description);
  if (target === undefined) return panel;
  return panel
    .thresholds(
      steps([
        { color: 'transparent', value: null },
        { color: 'red', value: target },
      ]),
    )
    .thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
}

export interface NumberPanel extends Panel {
  readonly query: Query;
  readonly limits?: Limits;
  /** Asked for once and not for each moment of the time that is shown: for what costs much. */
  readonly instant?: boolean;
  /** Words instead of numbers, each with its colour. */
  readonly words?: Readonly<Record<string, readonly [text: string, color: string]>>;
}

/** The latest value as a number on its colour, six in a row. */
export function number({
  title,
  unit = 'short',
  description,
  width = 4,
  query,
  limits,
  instant,
  words,
}: NumberPanel): StatBuilder {
  const panel = new StatBuilder()
    .title(title)
    .unit(unit)
    .span(width)
    .height(5)
    .datasource(PROMETHEUS)
    .noValue('none')
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .colorMode(limits || words ? BigValueColorMode.Background : BigValueColorMode.None)
    .graphMode(words || instant ? BigValueGraphMode.None : BigValueGraphMode.Area)
    .thresholds(steps(limits ? stepsOf(limits) : [{ color: 'text', value: null }]))
    .targets([instant ? dataQuery(query, 0).instant() : dataQuery(query, 0)]);
  if (description !== undefined) panel.description(description);
  if (words) {
    const options = Object.fromEntries(Object.entries(words).map(([value, [text, color]]) => [value, { text, color }]));
    panel.mappings([{ type: MappingType.ValueToText, options }]);
  }
  return panel;
}

/** The latest value of every series, a row each, labels as columns. */
export function table({ title, description, width = 12, query }: Panel & { readonly query: Query }): TableBuilder {
  const panel = new TableBuilder()
    .title(title)
    .span(width)
    .height(8)
    .datasource(PROMETHEUS)
    .noValue('none')
    .targets([dataQuery(query, 0).format(PromQueryFormat.Table).instant()])
    .withTransformation({ id: 'organize', options: { excludeByName: { Time: true, Value: true, __name__: true, job: true } } });
  return description === undefined ? panel : panel.description(description);
}

export const row = (title: string): RowBuilder => new RowBuilder(title);

type Part = RowBuilder | LinesBuilder | StatBuilder | TableBuilder;

/** A dashboard by the name of its file. All of them link to each other. */
export function dashboard(name: string, { title, description }: { title: string; description: string }, parts: readonly Part[]) {
  const built = new DashboardBuilder(`Bicameral: ${title}`)
    .uid(`bicameral-${name}`)
    .description(description)
    .tags(['bicameral'])
    .refresh('10s')
    .time({ from: 'now-1h', to: 'now' })
    .link(
      new DashboardLinkBuilder('Bicameral')
        .type(DashboardLinkType.Dashboards)
        .tags(['bicameral'])
        .includeVars(true)
        .keepTime(true),
    )
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'))
    .withVariable(
      new QueryVariableBuilder('instance')
        .label('Instance')
        .datasource(PROMETHEUS)
        .query({ query: 'label_values(bicameral_build_info, instance)', refId: 'instance' })
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .multi(true)
        .includeAll(true)
        .allValue('.*')
        .current({ selected: true, text: ['All'], value: ['$__all'] }),
    );
  for (const part of parts) {
    if (part instanceof RowBuilder) built.withRow(part);
    else built.withPanel(part);
  }
  return { name, json: `${JSON.stringify(built.build(), null, 2)}\n` };
}

function dataQuery({ expr, legend }: Query, index: number): DataqueryBuilder {
  const query = new DataqueryBuilder()
    .expr(expr)
    .refId(String.fromCharCode(65 + index))
    .datasource(PROMETHEUS);
  return legend === undefined ? query : query.legendFormat(legend);
}

const steps = (list: Threshold[]): ThresholdsConfigBuilder =>
  new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(list);

function stepsOf({ amber, red, descending = false }: Limits): Threshold[] {
  if (descending) {
    const low = { color: 'red', value: null };
    return amber === undefined
      ? [low, { color: 'green', value: red }]
      : [low, { color: 'orange', value: red }, { color: 'green', value: amber }];
  }
  const middle = amber === undefined ? [] : [{ color: 'orange', value: amber }];
  return [{ color: 'green', value: null }, ...middle, { color: 'red', value: red }];
}
