/**
 * The form in which texts are compared without regard to case: equal for texts that differ in case, in composition (UAX 15) or in how wide a
 * blank between words is, so that `ΝΙΚΟΣ` and `νικος`, `STRASSE` and `Straße` are the same. It is made here and not by the database, whose answers depend on
 * its locale and its version.
 */
export function foldedText(text: string): string {
  if (isAscii(text)) return text.toLowerCase().replace(/ {2,}/g, ' ');
  // By way of upper case, where ß is SS and there is one sigma and one i. What has ẞ as its own upper case is put in lower case before.
  const folded = text.normalize('NFD').toLowerCase().toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFC');
  return folded.replace(/\p{Zs}+/gu, ' ');
}

/**
 * What a name is sorted by: folded, without accents and points, in the order of code points. `Émile` stands between `Elvis` and `Zoe`.
 * Vowel signs of the scripts that are written with them are letters and stay.
 */
export function sortedText(text: string): string {
  const folded = foldedText(text);
  return isAscii(folded) ? folded : folded.normalize('NFD').replace(ACCENTS, '').normalize('NFC');
}

/** Combining diacritical marks of every block, Hebrew points and accents, Arabic vowel marks. */
const ACCENTS =
  /[\u0300-\u036f]|[\u0483-\u0487]|[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]|[\u0610-\u061a\u064b-\u065f\u0670]|[\u1ab0-\u1aff]|[\u1dc0-\u1dff]|[\u20d0-\u20ff]/g;

// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII.
const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);
