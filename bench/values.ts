import { figure } from './statistics.ts';
import type { Goal, Measure } from './workload.ts';

/** What was measured, round by round. */
export class Values {
  readonly #rounds = new Map<string, { subject: string; measure: string; rounds: number[]; goal: Goal | undefined }>();

  keep(subject: string, measure: string, value: number, goal?: Goal): void {
    const key = `${subject}: ${measure}`;
    const known = this.#rounds.get(key) ?? { subject, measure, rounds: [], goal };
    known.rounds.push(value);
    this.#rounds.set(key, known);
  }

  rounds(subject: string, measure: string): readonly number[] {
    return this.#rounds.get(`${subject}: ${measure}`)?.rounds ?? [];
  }

  measures(): Measure[] {
    return [...this.#rounds.values()].map(({ subject, measure, rounds, goal }) => ({
      subject,
      measure,
      figure: figure(rounds),
      ...(goal && { goal }),
    }));
  }
}
