import { CHOSEN, dashboard, lines, number, row } from './panels.ts';

export const audit = dashboard(
  'audit',
  { title: 'audit', description: 'The log of commands: whether it is sealed, and whether it is whole.' },
  [
    row('Seals'),
    number({
      title: 'Oldest record without a seal',
      unit: 's',
      width: 8,
      query: { expr: `max(cqrs_log_unsealed_age_seconds{${CHOSEN}})` },
      limits: { amber: 30, red: 120 },
    }),
    number({
      title: 'Signs of damage: seals',
      width: 8,
      description: 'Batches of seals that somebody else wrote. `npx bicameral audit verify` names them.',
      query: { expr: `sum(cqrs_damage_total{kind="seals",${CHOSEN}})` },
      limits: { red: 1 },
    }),
    number({
      title: 'Signs of damage: verifications',
      width: 8,
      description: 'Verifications that found a record changed, inserted or removed.',
      query: { expr: `sum(cqrs_damage_total{kind="verification",${CHOSEN}})` },
      limits: { red: 1 },
    }),
    lines({
      title: 'Records without a seal',
      description: 'Counted up to 100,000.',
      queries: [{ expr: `max(cqrs_log_unsealed_records{${CHOSEN}})`, legend: 'records' }],
    }),
    lines({
      title: 'Age of the oldest of them',
      unit: 's',
      queries: [{ expr: `max(cqrs_log_unsealed_age_seconds{${CHOSEN}})`, legend: 'age' }],
      target: 120,
    }),
    lines({
      title: 'How long one open transaction has held up the seals',
      unit: 's',
      queries: [{ expr: `max(cqrs_log_held_up_seconds{${CHOSEN}})`, legend: 'held up' }],
    }),
    lines({
      title: 'The process that has this transaction',
      description: 'Its number in pg_stat_activity; 0 when there is none, or the transaction is a prepared one.',
      queries: [{ expr: `max(cqrs_log_held_up_pid{${CHOSEN}})`, legend: 'pid' }],
    }),
    lines({
      title: 'Records sealed, a second',
      description: 'One instance at a time seals.',
      queries: [
        { expr: `sum by (instance) (rate(cqrs_sealed_records_total{${CHOSEN}}[$__rate_interval]))`, legend: '{{instance}}' },
      ],
    }),
    lines({
      title: 'Rounds of sealing, a second',
      queries: [{ expr: `sum by (outcome) (rate(cqrs_seal_rounds_total{${CHOSEN}}[$__rate_interval]))`, legend: '{{outcome}}' }],
    }),
    lines({
      title: 'How long a round takes',
      unit: 's',
      queries: [0.5, 0.99].map((q) => ({
        expr: `histogram_quantile(${q}, sum by (le) (rate(cqrs_seal_round_duration_seconds_bucket{${CHOSEN}}[$__rate_interval])))`,
        legend: `p${q * 100}`,
      })),
    }),
    lines({
      title: 'Commands that ended, a second',
      unit: 'reqps',
      description: 'Each has a record, however it ended; refusals in masses have one for many.',
      queries: [{ expr: `sum by (code) (rate(cqrs_command_total{${CHOSEN}}[$__rate_interval]))`, legend: '{{code}}' }],
    }),
  ],
);
