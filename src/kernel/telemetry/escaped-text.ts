/** Controls but the line feed, line separators, changes of direction, and what has no width. */
const COMMANDS = /(?!\n)[\p{Cc}\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

/**
 * Text for a terminal: what would command it, or change how other text is seen, is written as `\u202e`. Line feeds stay. JSON stays JSON of
 * the same meaning.
 */
export const escapedText = (text: string): string => text.replace(COMMANDS, asEscape);

/** What JSON leaves as it is though it is none of the characters that nearly every line is made of. */
const UNUSUAL = /[^\n -~]/;

/** A line of JSON that is likely to need nothing of the kind. */
export const escapedJson = (line: string): string => (UNUSUAL.test(line) ? escapedText(line) : line);

/** The same on one line. */
export const escapedLine = (text: string): string => escapedText(text).replaceAll('\n', '\\n');

const asEscape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
