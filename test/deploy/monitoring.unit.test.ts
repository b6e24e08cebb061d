import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { exportedNames, metricsOf, readPanelQueries, readRules } from './monitoring.ts';

const rules = readRules();
const alerts = rules.filter((rule) => rule.alert !== undefined);
const recorded = rules.flatMap(({ record }) => record ?? []);
const known = new Set([...exportedNames(), ...recorded]);

const unknownIn = (expr: string): string[] => metricsOf(expr).filter((name) => !known.has(name));

describe('the parser', () => {
  it('finds the metrics of an expression, and what is no PromQL', () => {
    expect(metricsOf('sum(rate(one_total{code="OK"}[5m])) / on (kind) two:three')).toEqual(['one_total', 'two:three']);
    expect(() => metricsOf('sum(rate(one_total[5m])')).toThrow('no PromQL');
  });
});

describe('rules', () => {
  it('name metrics that the program exports or another rule records', () => {
    const unknown = rules.flatMap(({ expr, record, alert }) => unknownIn(expr).map((name) => `${record ?? alert}: ${name}`));
    expect(unknown).toEqual([]);
    expect(recorded).toEqual(expect.arrayContaining(['cqrs_command_duration_seconds', 'cqrs_query_duration_seconds']));
  });

  it('have a runbook for each alert, and an alert for each runbook', () => {
    const named = alerts.map(({ annotations }) => annotations?.runbook ?? '');
    expect(named.filter((path) => !existsSync(path))).toEqual([]);
    const pages = readdirSync('docs/runbooks').map((file) => `docs/runbooks/${file}`);
    expect(pages.toSorted()).toEqual([...new Set(named)].toSorted());
  });

  it('say of each alert how urgent it is, and its runbook names it', () => {
    for (const { alert = '', labels, annotations } of alerts) {
      expect(labels?.severity).toMatch(/^(page|ticket)$/);
      expect(readFileSync(annotations?.runbook ?? '', 'utf8')).toContain(`\`${alert}\``);
    }
  });

  it('are listed in docs/monitoring.md with their runbooks and severities', () => {
    const page = readFileSync('docs/monitoring.md', 'utf8').split('\n');
    for (const { alert, labels, annotations } of alerts) {
      const link = `[\`${alert}\`](${annotations?.runbook?.replace('docs/', '')})`;
      expect(page).toContainEqual(expect.stringMatching(new RegExp(`^\\|.*${RegExp.escape(link)}.*\\| ${labels?.severity} \\|`)));
    }
  });

  it('have a case in which each alert is raised, and one in which none is', () => {
    interface Case {
      readonly alert_rule_test?: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[];
    }
    const { tests } = parse(readFileSync('test/deploy/rules.yml', 'utf8')) as { tests: readonly Case[] };
    const raised = tests.flatMap(({ alert_rule_test = [] }) => alert_rule_test.filter(({ exp_alerts }) => exp_alerts.length > 0));
    expect([...new Set(raised.map(({ alertname }) => alertname))].toSorted()).toEqual(
      alerts.map(({ alert }) => alert).toSorted(),
    );
  });
});

describe('dashboards', () => {
  const queries = readPanelQueries();

  it('name metrics that the program exports or a rule records', () => {
    const unknown = queries.flatMap(({ dashboard, panel, expr }) =>
      unknownIn(expr).map((name) => `${dashboard}, ${panel}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });

  it('show every metric of ours', () => {
    const shown = new Set(queries.flatMap(({ expr }) => metricsOf(expr)));
    for (const { expr } of rules) for (const name of metricsOf(expr)) shown.add(name);
    const ours = [...exportedNames()].filter((name) => /^(cqrs|bicameral)_/.test(name) && !/_(sum|count)$/.test(name));
    expect(ours.filter((name) => !shown.has(name))).toEqual([]);
  });
});
