/** Fewer characters are no run. */
const MIN_RUN = 3;

/** Two runs whose characters alternate, such as q1w2e3, have to be this long together. */
const MIN_ALTERNATING_RUN = 6;

/**
 * How many characters from `start` on follow one another by a rule: repeated (aaa), in the order of the alphabet or of digits, up
 * or down (abc, 321), along a row or a slanting column of a keyboard (qwer, 1qaz), or two such runs alternating (q1w2e3). 0 for none.
 * Letters are in lower case.
 */
export function runLength(text: string, start: number): number {
  const single = Math.max(...rules.map((rule) => lengthBy(rule, text, start, 1)));
  const first = Math.max(...rules.map((rule) => lengthBy(rule, text, start, 2)));
  const second = Math.max(...rules.map((rule) => lengthBy(rule, text, start + 1, 2)));
  const alternating = first > second ? 2 * second + 1 : 2 * first;
  return Math.max(single >= MIN_RUN ? single : 0, alternating >= MIN_ALTERNATING_RUN ? alternating : 0);
}

/** The step from one character to the next, when it is a likely one. Each step of a run is the same. */
type Rule = (from: string, to: string) => number | undefined;

/** How many characters, `stride` apart, are the same step from one to the next. */
function lengthBy(rule: Rule, text: string, start: number, stride: number): number {
  const step = stepAt(rule, text, start, stride);
  if (step === undefined) return start < text.length ? 1 : 0;
  let length = 2;
  while (stepAt(rule, text, start + (length - 1) * stride, stride) === step) length++;
  return length;
}

function stepAt(rule: Rule, text: string, at: number, stride: number): number | undefined {
  const from = text[at];
  const to = text[at + stride];
  return from === undefined || to === undefined ? undefined : rule(from, to);
}

const alphabetStep: Rule = (from, to) => {
  const step = to.charCodeAt(0) - from.charCodeAt(0);
  return Math.abs(step) <= 1 ? step : undefined;
};

/** Each key stands below and between two of the row above. */
const KEYBOARD_ROWS = ['1234567890-=', 'qwertyuiop[]', "asdfghjkl;'", 'zxcvbnm,./'];
const keys = new Map(KEYBOARD_ROWS.flatMap((keysOfRow, row) => [...keysOfRow].map((key, column) => [key, { row, column }])));

const keyboardStep: Rule = (from, to) => {
  const a = keys.get(from);
  const b = keys.get(to);
  if (!a || !b) return undefined;
  const down = b.row - a.row;
  const right = b.column - a.column;
  const isNeighbour = Math.abs(down) <= 1 && Math.abs(right) <= 1 && Math.abs(down + right) <= 1 && (down !== 0 || right !== 0);
  return isNeighbour ? 3 * down + right : undefined;
};

const rules = [alphabetStep, keyboardStep];
