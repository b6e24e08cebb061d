import type { ChildProcess } from 'node:child_process';
import type { Worker } from 'node:cluster';

/** What `node:cluster` sends with a connection, and a connection's end in this process. Neither is in its documentation. */
interface Dealt {
  readonly act?: string;
  readonly key?: string;
}
interface Handle {
  readonly close?: () => void;
}

/**
 * Closes the connections that a worker had been dealt and had not taken when it ended. `node:cluster` closes its own end of a
 * connection when the worker says that it has it, and so never that of one that is not there any more: the caller would wait for
 * good. There is one at most for each address, because the next is dealt when the one before was taken.
 */
export function closeUntaken(worker: Worker): void {
  const last = new Map<string, Handle>();
  const { process: child } = worker;
  const send = child.send.bind(child) as (message: Dealt, handle?: Handle, ...rest: unknown[]) => boolean;
  child.send = ((message: Dealt, handle?: Handle, ...rest: unknown[]) => {
    if (message?.act === 'newconn' && handle) last.set(message.key ?? '', handle);
    return send(message, handle, ...rest);
  }) as ChildProcess['send'];
  worker.once('exit', () => {
    // Of one that was taken, it is closed already, and that it is closed again does nothing.
    for (const handle of last.values()) handle.close?.();
  });
}
