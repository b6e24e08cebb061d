import type { DescMethod } from '@bufbuild/protobuf';
import { Reason } from '#gen/cqrs/v1/reasons_pb.js';
import { type MessageKind, messageKind, methodName } from '../../bus/convention.ts';
import { isFault } from '../code-name.ts';
import type { Series } from './bound-histogram.ts';
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

/** Where calls of one rpc that end alike are counted. */
interface Outcome {
  readonly seconds: Series;
  readonly rpcSeconds: Series;
}

/** Counts calls and how long they take. */
export class CallMetrics {
  readonly #metrics: Instruments;
  readonly #slowest: SlowestCalls;
  /** By rpc, and then by door and code: looked up by each call, and made once. */
  readonly #rpcs = new Map<DescMethod, { readonly name: string; readonly outcomes: Map<string, Outcome> }>();

  constructor(metrics: Instruments, slowest: SlowestCalls) {
    this.#metrics = metrics;
    this.#slowest = slowest;
  }

  /** Gives an rpc its series at 0: a rate begins with the first call and not with the second. */
  expect(method: DescMethod): void {
    const labels = { method: methodName(method), code: 'OK' };
    const kind = messageKind(method.parent) ?? 'query';
    this.#secondsOf(kind).series(labels);
    if (kind === 'query') return;
    const { retries, conflicts, replayed, dryRuns, guessesThrottled } = this.#metrics;
    for (const counter of [retries, conflicts, replayed, dryRuns, guessesThrottled]) counter.inc({ method: labels.method }, 0);
  }

  ended(call: EndedCall): void {
    const { code, firstMessageSeconds = call.seconds } = call;
    let rpc = this.#rpcs.get(call.method);
    if (!rpc) {
      rpc = { name: methodName(call.method), outcomes: new Map() };
      this.#rpcs.set(call.method, rpc);
    }
    const key = OUTCOME[call.door] + code;
    let outcome = rpc.outcomes.get(key);
    if (!outcome) {
      outcome = this.#outcome(rpc.name, call);
      rpc.outcomes.set(key, outcome);
    }
    const traceId = call.isTraced ? call.traceId() : undefined;
    outcome.seconds.observe(firstMessageSeconds, traceId);
    outcome.rpcSeconds.observe(call.seconds, traceId);
    this.#slowest.add({ method: rpc.name, code, seconds: firstMessageSeconds }, call.traceId);
    if (call.attempts > 1 || call.isReplayed || call.isDryRun || call.reason !== undefined) this.#unusual(rpc.name, call);
  }

  #unusual(method: string, { attempts, isReplayed, isDryRun, reason, ...call }: EndedCall): void {
    const metrics = this.#metrics;
    if (attempts > 1) metrics.retries.inc({ method }, attempts - 1);
    if (isReplayed) metrics.replayed.inc({ method });
    if (isDryRun) metrics.dryRuns.inc({ method });
    if (reason === undefined) return;
    metrics.errors.inc({ kind: messageKind(call.method.parent) ?? 'query', reason });
    if (reason === Reason[Reason.CONFLICT]) metrics.conflicts.inc({ method });
    if (GUESSES.has(reason)) metrics.guessesThrottled.inc({ method });
  }

  #outcome(method: string, { method: { parent }, door, code }: EndedCall): Outcome {
    return {
      seconds: this.#secondsOf(messageKind(parent) ?? 'query').series({ method, code }),
      rpcSeconds: this.#metrics.rpcSeconds.series({
        rpc_system_name: SYSTEMS[door],
        rpc_method: method,
        rpc_status_code: code,
        error_type: isFault(code) ? code : '',
      }),
    };
  }

  #secondsOf(kind: MessageKind): Instruments['commandSeconds'] {
    return kind === 'command' ? this.#metrics.commandSeconds : this.#metrics.querySeconds;
  }
}

const OUTCOME = { grpc: 'grpc ', connect: 'connect ', 'in-process': 'in-process ' } as const;
