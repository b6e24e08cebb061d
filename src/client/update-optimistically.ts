import { Code, ConnectError } from '@connectrpc/connect';
import { errorInfo } from './error-info.ts';

/** What `updateOptimistically` does. */
export interface OptimisticUpdate<State, Answer> {
  /** Reads what is to be changed. The headers go with the query. */
  readonly read: (headers: Readonly<Record<string, string>>) => Promise<State>;
  /** Decides by what was read and sends the command, with the version of what was read as its `expectedVersion`. */
  readonly change: (state: State) => Promise<Answer>;
  /** What the caller has read before, such as what a person sees on the screen: the first try needs no reading. */
  readonly known?: State;
  /** Of the command, the first one included: 5 unless said. */
  readonly tries?: number;
  /** From 0 up to 1, for the jitter. */
  readonly random?: () => number;
}

/** The second try pauses at most so many milliseconds; the pause doubles with each try. */
const FIRST_PAUSE = 10;

/**
 * Changes what others may be changing too, without a lock: reads it, sends the command with the version that was read, and begins again when
 * somebody was faster, so that the decision is always made by the newest state.
 *
 * ```ts
 * const { user } = await updateOptimistically({
 *   read: (headers) => directory.getUser({ userId }, { headers }),
 *   change: ({ user }) => users.changeName({ userId, name: `${user.name} PhD`, expectedVersion: user.version }),
 * });
 * ```
 *
 * Somebody was faster when the command is ABORTED and its error names the `current_version`. From then on the primary is read, because a
 * replica may not have that version yet. Every other error is thrown, and that one too after the last try.
 */
export async function updateOptimistically<State, Answer>({
  read,
  change,
  known,
  tries = 5,
  random = Math.random,
}: OptimisticUpdate<State, Answer>): Promise<Answer> {
  let state = known ?? (await read({}));
  for (let tried = 1; ; tried += 1) {
    try {
      return await change(state);
    } catch (error) {
      if (tried >= tries || !wasOvertaken(error)) throw error;
      // Full jitter: those who collided and pause alike collide again.
      await new Promise((resolve) => setTimeout(resolve, random() * FIRST_PAUSE * 2 ** tried));
      state = await read({ 'cqrs-consistency': 'strong' });
    }
  }
}

const wasOvertaken = (error: unknown): boolean =>
  ConnectError.from(error).code === Code.Aborted && errorInfo(error)?.metadata.current_version !== undefined;
