/** Verbs of business whose past participle has no rule. */
const IRREGULAR: Readonly<Record<string, string>> = {
  begin: 'begun',
  bid: 'bid',
  bind: 'bound',
  break: 'broken',
  bring: 'brought',
  build: 'built',
  buy: 'bought',
  choose: 'chosen',
  cut: 'cut',
  draw: 'drawn',
  find: 'found',
  forget: 'forgotten',
  freeze: 'frozen',
  get: 'got',
  give: 'given',
  hide: 'hidden',
  hold: 'held',
  keep: 'kept',
  lay: 'laid',
  leave: 'left',
  lend: 'lent',
  let: 'let',
  lose: 'lost',
  make: 'made',
  meet: 'met',
  pay: 'paid',
  put: 'put',
  read: 'read',
  run: 'run',
  see: 'seen',
  sell: 'sold',
  send: 'sent',
  set: 'set',
  show: 'shown',
  shut: 'shut',
  spend: 'spent',
  split: 'split',
  swap: 'swapped',
  take: 'taken',
  tell: 'told',
  throw: 'thrown',
  undo: 'undone',
  withdraw: 'withdrawn',
  write: 'written',
};

/** What a thing is after a verb was done to it: `cancel` gives `canceled`, `ship` gives `shipped`. */
export function pastParticiple(verb: string): string {
  const irregular = IRREGULAR[verb];
  if (irregular !== undefined) return irregular;
  if (verb.endsWith('e')) return `${verb}d`;
  if (/[^aeiou]y$/.test(verb)) return `${verb.slice(0, -1)}ied`;
  // One short syllable doubles its last letter; of longer verbs those do whose last one is stressed.
  if (/^[^aeiou]*[aeiou][^aeiouwxy]$/.test(verb) || /(mit|fer|cur|pel|gin)$/.test(verb)) return `${verb}${verb.at(-1)}ed`;
  return `${verb}ed`;
}

/** What somebody does: `cancel` gives `cancels`. */
export function thirdPerson(verb: string): string {
  if (/[^aeiou]y$/.test(verb)) return `${verb.slice(0, -1)}ies`;
  return /(s|x|z|ch|sh|o)$/.test(verb) ? `${verb}es` : `${verb}s`;
}

/** With the article that goes before it: `a user` and `a unit` begin with the sound of a consonant. */
export const withArticle = (words: string): string => `${/^([aeio]|u(?!ni|se|sa|ti))/i.test(words) ? 'an' : 'a'} ${words}`;
