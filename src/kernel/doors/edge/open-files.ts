import type { EdgeLimits } from './edge-limits.ts';

/** What a process opens beside the connections of its doors: databases, probes, files, what it listens on. */
const OTHERS = 200;
const DOORS = 2;
/** Less would be no service. */
const LEAST = 10;

/** How many files the system lets this process open, connections among them. */
export function mostOpenFiles(): number {
  const { report } = process;
  // It would look up names of addresses.
  Object.assign(report, { excludeNetwork: true });
  const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft?: number | 'unlimited' } } };
  const soft = userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : Number.POSITIVE_INFINITY;
}

/**
 * The limits with as many connections as both doors can have open. Beyond that a process accepts nobody any more, not even a probe,
 * where a limit of its own has idle connections give way.
 */
export function affordable<L extends Pick<EdgeLimits, 'connections' | 'connectionsPerAddress'>>(limits: L, openFiles: number): L {
  const most = Math.max(LEAST, Math.floor((openFiles - OTHERS) / DOORS));
  if (limits.connections <= most) return limits;
  const share = most / limits.connections;
  return { ...limits, connections: most, connectionsPerAddress: Math.ceil(limits.connectionsPerAddress * share) };
}

/** How many files a process has to be let open for so many connections. */
export const openFilesFor = ({ connections }: Pick<EdgeLimits, 'connections'>): number => connections * DOORS + OTHERS;
