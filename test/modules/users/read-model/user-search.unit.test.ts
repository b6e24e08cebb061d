import { describe, expect, it } from '@jest/globals';
import { UserSample } from '../../../../src/modules/users/read-model/user-sample.ts';
import { collectedPart } from '../../../../src/modules/users/read-model/user-search.ts';

/** A sample of ten million: everybody is called Ada Lovelace and has a number. */
const users = Array.from({ length: 3000 }, (_, index) => ({
  id: `01930000-0000-7000-8000-${String(index * 3333).padStart(12, '0')}`,
  status: 'active' as const,
  created_at: '2026-01-01 00:00:00+00',
  email: `ada.lovelace.${index * 3333}@example.org`,
  name: 'ada lovelace',
  search_text: `ada lovelace\nada.lovelace.${index * 3333}@example.org`,
}));
const many = new UserSample(users, 10_000_000);
const few = new UserSample(users, 3000);
const partOf = (sample: UserSample, search: string, wanted = 11) => collectedPart(sample, { search, wanted, mostPassed: 20_000 });

describe('among ten million users', () => {
  it('a text that most have is found by passing over them', () => {
    for (const search of ['ada', 'lovelace', 'ada.lovelace', 'a', 'example.org']) expect(partOf(many, search)).toBeUndefined();
  });

  it('a text that few have is found by its rarest part, whatever is beside it', () => {
    expect(partOf(many, 'grace')).toBe('grac');
    expect(partOf(many, 'ada grace')).toBe('grac');
    expect(partOf(many, 'gracelovelace@example.org')).toBe('grac');
    expect(partOf(many, '.1234567@')).toBe('1234567');
    expect(partOf(many, 'ada.lovelace.1234567')).toBe('1234567');
  });

  it('a text of fewer than three letters in a row has no trigram', () => {
    for (const search of ['q', 'qq', 'q-q', 'qq qq', '%%']) expect(partOf(many, search)).toBeUndefined();
  });

  it('a text whose trigrams many have is found by passing over users, even if nobody has it', () => {
    expect(partOf(many, 'lovelace ada')).toBeUndefined();
  });

  it('letters beyond the first plane are letters', () => {
    expect(partOf(many, '𝔤𝔯𝔞𝔠𝔢')).toBe('𝔤𝔯𝔞𝔠𝔢');
  });
});

describe('among few users', () => {
  it('all of a text is looked for, where that is less than to pass over them', () => {
    expect(partOf(few, 'ada.lovelace.9999@')).toBe('ada.lovelace.9999@');
    expect(partOf(few, 'ada')).toBeUndefined();
  });
});

describe('no users at all', () => {
  it('have nothing that could be looked for', () => {
    expect(new UserSample([], 0).count({ status: undefined, search: '', orderBy: 'name', descending: false })).toBe(0);
    expect(
      new UserSample([], 0).placeBehind({ status: undefined, search: '', orderBy: 'name', descending: false }, 0),
    ).toBeUndefined();
    expect(() => partOf(new UserSample([], 0), 'ada')).not.toThrow();
  });
});
