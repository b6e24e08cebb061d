import type { DescMethod } from '@bufbuild/protobuf';
import { type MessageKind, messageKind, methodName } from '../../cqrs/convention.ts';
import { isFault } from '../code-name.ts';
import type { Instruments } from './instruments.ts';
import type { SlowestCalls } from './slowest-calls.ts';

/** A call that is over. */
export interface EndedCall {
  readonly method: DescMethod;
  readonly door: 'grpc' | 'connect' | 'in-process';
  /** As the gRPC specification writes it: `OK`, `NOT_FOUND`. */
  readonly code: string;
  /** Of the ErrorInfo, where it failed. */
  readonly reason: string | undefined;
  /** To its end, and of a stream, to its first message, where one came. */
  readonly seconds: number;
  readonly firstMessageSeconds: number | undefined;
  /** Of a command: from 1. */
  readonly attempts: number;
  readonly isReplayed: boolean;
  readonly isDryRun: boolean;
  readonly traceId: () => string;
  /** Whether somebody can look up the trace. */
  readonly isTraced: boolean;
}

/** `rpc.system.name` of the semantic conventions, which have no name for calls inside of a process. */
const SYSTEMS = { grpc: 'grpc', connect: 'connectrpc', 'in-process': 'in_process' } as const;
const GUESSES: ReadonlySet<string> = new Set(['GUESSES_THROTTLED', 'GUESSES_EXHAUSTED']);

/** Counts calls and how long they take. */
export class CallMetrics {
  readonly #metrics: Instruments;
  readonly #slowest: SlowestCalls;

  constructor(metrics: Instruments, slowest: SlowestCalls) {
    this.#metrics = metrics;
    this.#slowest = slowest;
  }

  /** Gives an rpc its series at 0: a rate begins with the first call and not with the second. */
  expect(method: DescMethod): void {
    const labels = { method: methodName(method), code: 'OK' };
    const kind = messageKind(method.parent) ?? 'query';
    const { total, seconds } = this.#of(kind);
    total.inc(labels, 0);
    seconds.zero(labels);
    if (kind === 'query') return;
    const { retries, conflicts, replayed, dryRuns, guessesThrottled } = this.#metrics;
    for (const counter of [retries, conflicts, replayed, dryRuns, guessesThrottled]) counter.inc({ method: labels.method }, 0);
  }

  ended(call: EndedCall): void {
    const metrics = this.#metrics;
    const { code, reason, firstMessageSeconds = call.seconds } = call;
    const kind = messageKind(call.method.parent) ?? 'query';
    const method = methodName(call.method);
    const { total, seconds } = this.#of(kind);
    const labels = { method, code };
    total.inc(labels);
    // The library's types want the labels of the metric here.
    const exemplarLabels = (call.isTraced ? { trace_id: call.traceId() } : {}) as object;
    seconds.observe({ labels, value: firstMessageSeconds, exemplarLabels });
    const rpc = { rpc_system_name: SYSTEMS[call.door], rpc_method: method, rpc_status_code: code };
    metrics.rpcSeconds.observe({
      labels: { ...rpc, error_type: isFault(code) ? code : '' },
      value: call.seconds,
      exemplarLabels,
    });
    this.#slowest.add({ method, code, seconds: firstMessageSeconds }, call.traceId);
    if (call.attempts > 1) metrics.retries.inc({ method }, call.attempts - 1);
    if (call.isReplayed) metrics.replayed.inc({ method });
    if (call.isDryRun) metrics.dryRuns.inc({ method });
    if (reason === undefined) return;
    metrics.errors.inc({ kind, reason });
    if (reason === 'CONFLICT') metrics.conflicts.inc({ method });
    if (GUESSES.has(reason)) metrics.guessesThrottled.inc({ method });
  }

  #of(kind: MessageKind): { total: Instruments['commands']; seconds: Instruments['commandSeconds'] } {
    const { commands, queries, commandSeconds, querySeconds } = this.#metrics;
    return kind === 'command' ? { total: commands, seconds: commandSeconds } : { total: queries, seconds: querySeconds };
  }
}
