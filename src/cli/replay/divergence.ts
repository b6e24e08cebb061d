import type { CommandRecord } from '#gen/audit/v1/command_record_pb.js';
import type { Difference } from '../../modules/audit/rerun/differences.ts';
import type { Obstacle } from '../../modules/audit/rerun/obstacle.ts';
import type { RerunReport } from '../../modules/audit/rerun/rerun-recorded.ts';
import { alignedRows } from '../aligned-rows.ts';
import { outcomeWord } from '../audit/record-cells.ts';

/** Commands whose differences are listed; the rest is counted. */
const MOST_LISTED = 100;
/** Characters of a cell. */
const MOST_SHOWN = 120;

/** A command that went another way. */
interface Divergent {
  readonly sequence: string;
  readonly commandId: string;
  readonly method: string;
  readonly standIns: readonly string[];
  readonly differences: readonly Difference[];
}

/** What a replay of the log came to. */
export class Divergence {
  #same = 0;
  #different = 0;
  readonly #skipped = new Map<string, { readonly outcome: string; readonly cause: Obstacle; records: number }>();
  readonly #listed: Divergent[] = [];

  add({ sequence = 0n, commandId, method, outcome }: CommandRecord, result: RerunReport | { readonly obstacle: Obstacle }): void {
    if ('obstacle' in result) {
      this.#skip(outcomeWord(outcome), result.obstacle);
    } else if (result.same) {
      this.#same += 1;
    } else {
      this.#different += 1;
      const { standIns = [], differences } = result;
      if (this.#listed.length < MOST_LISTED) {
        this.#listed.push({ sequence: String(sequence), commandId, method, standIns, differences });
      }
    }
  }

  #skip(outcome: string, cause: Obstacle): void {
    const key = `${outcome} ${cause}`;
    const skipped = this.#skipped.get(key) ?? { outcome, cause, records: 0 };
    skipped.records += 1;
    this.#skipped.set(key, skipped);
  }

  get isNone(): boolean {
    return this.#different === 0;
  }

  json(): string {
    const counts = { replayed: this.#same + this.#different, same: this.#same, different: this.#different };
    return `${JSON.stringify({ ...counts, skipped: [...this.#skipped.values()], differences: this.#listed })}\n`;
  }

  table(): string {
    const skipped = [...this.#skipped.values()].map(({ outcome, cause, records }) => [
      `skipped: ${outcome}, ${cause}`,
      String(records),
    ]);
    const counts = [
      ['replayed', String(this.#same + this.#different)],
      ['same', String(this.#same)],
      ['different', String(this.#different)],
      ...skipped,
    ];
    return this.#differences() + alignedRows()(counts);
  }

  #differences(): string {
    if (this.#listed.length === 0) return '';
    const rows = this.#listed.flatMap(({ sequence, commandId, method, differences }) =>
      differences.map(({ aspect = '', recorded = '', replayed = '' }) => [
        sequence,
        commandId,
        method,
        aspect,
        shortened(recorded),
        shortened(replayed),
      ]),
    );
    const rest = this.#different - this.#listed.length;
    const more = rest > 0 ? `and ${rest.toLocaleString('en')} more commands\n` : '';
    return `${alignedRows()([['SEQUENCE', 'COMMAND', 'METHOD', 'ASPECT', 'RECORDED', 'REPLAYED'], ...rows])}${more}\n`;
  }
}

const shortened = (text: string): string => (text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text);
