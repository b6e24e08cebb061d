import { CHOSEN, dashboard, lines, row, table } from './panels.ts';

/** Every program on Node.js has metrics of these names. */
const OURS = `job="bicameral",${CHOSEN}`;

export const runtime = dashboard(
  'runtime',
  { title: 'runtime', description: 'The processes: event loop, memory, garbage collection, CPU, traces that were lost.' },
  [
    row('Processes'),
    table({
      title: 'What runs',
      query: { expr: `bicameral_build_info{${CHOSEN}}` },
    }),
    lines({
      title: 'Processes that serve',
      description: 'WORKERS of each instance.',
      queries: [{ expr: `bicameral_processes{${CHOSEN}}`, legend: '{{instance}}' }],
    }),
    lines({
      title: 'Starts in the last hour',
      queries: [{ expr: `changes(process_start_time_seconds{${OURS}}[1h])`, legend: '{{instance}}' }],
    }),
    lines({
      title: 'Spans that were lost, a second',
      description: 'Recorded and not exported: the collector is unavailable, or slower than they come.',
      queries: [{ expr: `sum by (instance) (rate(cqrs_lost_spans_total{${CHOSEN}}[$__rate_interval]))`, legend: '{{instance}}' }],
    }),
    row('Event loop'),
    lines({
      title: 'Delay of the event loop',
      unit: 's',
      description: 'Every call waits that long, several times. Alert from 100 ms on.',
      queries: [
        { expr: `nodejs_eventloop_lag_p50_seconds{${OURS}}`, legend: '{{instance}} p50' },
        { expr: `nodejs_eventloop_lag_p99_seconds{${OURS}}`, legend: '{{instance}} p99' },
        { expr: `nodejs_eventloop_lag_max_seconds{${OURS}}`, legend: '{{instance}} longest' },
      ],
      target: 0.1,
    }),
    lines({
      title: 'CPU',
      description: 'Cores in use.',
      queries: [{ expr: `rate(process_cpu_seconds_total{${OURS}}[$__rate_interval])`, legend: '{{instance}}' }],
    }),
    row('Memory'),
    lines({
      title: 'Memory',
      unit: 'bytes',
      queries: [
        { expr: `process_resident_memory_bytes{${OURS}}`, legend: '{{instance}} resident' },
        { expr: `nodejs_heap_size_used_bytes{${OURS}}`, legend: '{{instance}} heap in use' },
        { expr: `nodejs_external_memory_bytes{${OURS}}`, legend: '{{instance}} buffers' },
      ],
    }),
    lines({
      title: 'Time spent on garbage collection',
      unit: 'percentunit',
      queries: [
        {
          expr: `sum by (instance, kind) (rate(nodejs_gc_duration_seconds_sum{${OURS}}[$__rate_interval]))`,
          legend: '{{instance}} {{kind}}',
        },
      ],
    }),
    lines({
      title: 'Open files',
      queries: [
        { expr: `process_open_fds{${OURS}}`, legend: '{{instance}}' },
        { expr: `process_max_fds{${OURS}}`, legend: '{{instance}} may be open' },
      ],
    }),
  ],
);
