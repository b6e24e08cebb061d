import type { JsonObject } from '@bufbuild/protobuf';
import type { Route } from '../../bus/bus.ts';
import type { Message } from '../../bus/call.ts';
import type { Cause } from '../../bus/context-keys.ts';
import type { RecordedVerdict } from '../../bus/rerun.ts';
import type { StoredEvent } from '../../database/write/stored-event.ts';
import type { CommandRecord } from '../command-record.ts';

/** A command as it is on record, with a request that can be handled. */
export interface CommandToRerun {
  readonly route: Route;
  /** The recorded id: the time and all ids of the command follow from it. */
  readonly id: string;
  readonly request: Message;
  readonly principal: {
    readonly id: string;
    readonly roles: readonly string[];
    readonly session: string;
    readonly issuer?: string;
  };
  /** Of a command that a reactor sent. */
  readonly cause?: Cause;
  readonly verdict: RecordedVerdict;
  readonly dryRun: boolean;
  readonly peer: string;
  readonly userAgent: string;
}

/** What the command came to this time. */
export interface RerunCommand extends Pick<CommandRecord, 'outcome' | 'code' | 'reason' | 'target'> {
  readonly events: readonly (StoredEvent & { readonly id: string; readonly aggregateVersion: number })[];
  /** The aggregate as the command leaves it, without secrets; undefined when it changed none. */
  readonly state: JsonObject | undefined;
}

/**
 * Runs a recorded command again, as its recorded caller. Rejects when something got in the way that says nothing about the command: the
 * database is away, the signal ends it, others keep changing the same data.
 */
export type Rerun = (command: CommandToRerun, signal: AbortSignal) => Promise<RerunCommand>;
