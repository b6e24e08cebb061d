import { Code, ConnectError } from '@connectrpc/connect';
import fc from 'fast-check';
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.js';
import { codeName } from '../../src/kernel/telemetry/code-name.ts';
import { align } from '../report/table.ts';
import type { Generated } from './generated-attempts.ts';

/** How long an answer may take, in milliseconds: later than any deadline of the service's own. */
const HUNG_MS = 60_000;
/** Of the requests that ended as none may, so many are shown. */
const SHOWN = 10;

/** Codes that say that the service failed, unless their reason says that it was the request. */
const FAILURES: ReadonlySet<Code> = new Set([Code.Internal, Code.Unknown, Code.Unavailable, Code.DataLoss]);
export const OF_THE_REQUEST: ReadonlySet<string> = new Set([
  'COMPRESSION_UNDECLARED',
  'CONTENT_TYPE_UNSUPPORTED',
  'HTTP_VERB_UNSUPPORTED',
]);

class Hung extends Error {}

/** How requests ended, by protocol. */
export class Endings {
  readonly #counts = new Map<string, Map<string, number>>();
  readonly #protocols = new Set<string>();
  readonly #wrong: string[] = [];
  #wrongCount = 0;
  #hungCount = 0;

  /** Sends the request and counts how it ends; never rejects. */
  async take(generated: Generated): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const alarm = setTimeout(() => reject(new Hung()), HUNG_MS);
    try {
      await Promise.race([generated.attempt.send(), late]);
      this.#count(generated, 'OK');
    } catch (error) {
      this.#countError(generated, error);
    } finally {
      clearTimeout(alarm);
    }
  }

  /** What may not be, in words. */
  problems(): string[] {
    const failed = this.#wrongCount - this.#hungCount;
    return [
      ...(this.#hungCount > 0 ? [`${this.#hungCount} requests hung: no answer in ${HUNG_MS / 1000} s`] : []),
      ...(failed > 0 ? [`${failed} requests ended in a way that is not planned`] : []),
      ...this.#wrong,
    ];
  }

  /** Endings down, protocols across. */
  table(): string {
    const protocols = [...this.#protocols];
    const rows = [...this.#counts].sort(([one], [other]) => (one === 'OK' ? -1 : other === 'OK' ? 1 : one < other ? -1 : 1));
    const cells = rows.map(([ending, counts]) => [
      ending,
      ...protocols.map((protocol) => (counts.get(protocol) ?? 0).toLocaleString('en')),
    ]);
    return align([['', ...protocols], ...cells], ['left', ...protocols.map((): 'right' => 'right')]).join('\n');
  }

  #countError(generated: Generated, error: unknown): void {
    if (error instanceof Hung) {
      this.#hungCount += 1;
      this.#countWrong(generated, 'HUNG', 'no answer');
      return;
    }
    if (!(error instanceof ConnectError)) {
      this.#countWrong(generated, 'NOT UNDERSTOOD', String(error));
      return;
    }
    const [reason = ''] = error.findDetails(ErrorInfoSchema).map((info) => info.reason);
    const ending = `${codeName(error.code)} ${reason}`.trimEnd();
    const isWrong = reason === '' || (FAILURES.has(error.code) && !OF_THE_REQUEST.has(reason));
    if (isWrong) this.#countWrong(generated, ending, error.message);
    else this.#count(generated, ending);
  }

  #countWrong(generated: Generated, ending: string, message: string): void {
    this.#wrongCount += 1;
    if (this.#wrong.length < SHOWN) {
      this.#wrong.push(
        `${generated.protocol}, ${generated.method}: ${ending}: ${message}\n    ${fc.stringify(generated.attempt).slice(0, 2000)}`,
      );
    }
    this.#count(generated, ending);
  }

  #count({ protocol }: Generated, ending: string): void {
    this.#protocols.add(protocol);
    const counts = this.#counts.get(ending) ?? new Map<string, number>();
    this.#counts.set(ending, counts.set(protocol, (counts.get(protocol) ?? 0) + 1));
  }
}
