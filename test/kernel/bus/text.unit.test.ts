import { create, createRegistry } from '@bufbuild/protobuf';
import { createValidator } from '@bufbuild/protovalidate';
import { describe, expect, it } from '@jest/globals';
import { QueryService as AuditQueries } from '#gen/audit/v1/query_service_pb.js';
import { file_cqrs_v1_text as textRules } from '#gen/cqrs/v1/text_pb.js';
import { CommandService } from '#gen/users/v1/command_service_pb.js';
import { QueryService } from '#gen/users/v1/query_service_pb.js';
import { InvalidRequest } from '../../../src/kernel/bus/errors.ts';
import { validation } from '../../../src/kernel/middleware/validation.ts';
import { callTo, pass } from '../middleware/test-call.ts';

const rules = validation();
const ID = '01930000-0000-7000-8000-000000000001';

/** The text as handlers get it, or the rules that refuse it. */
async function sent(service: 'name' | 'reason' | 'search' | 'actor', text: string): Promise<string | string[]> {
  const { method, field, request } = {
    name: { method: CommandService.method.changeName, field: 'name', request: { userId: ID, name: text } },
    reason: { method: CommandService.method.suspendUser, field: 'reason', request: { userId: ID, reason: text } },
    search: { method: QueryService.method.listUsers, field: 'search', request: { search: text } },
    actor: { method: AuditQueries.method.listCommands, field: 'actor', request: { actor: text } },
  }[service];
  const call = callTo(method, { request });
  try {
    await pass(rules, call);
    return (call.request as unknown as Record<string, string>)[field] ?? '';
  } catch (error) {
    if (!(error instanceof InvalidRequest)) throw error;
    return error.violations.map(({ rule }) => rule ?? '');
  }
}

const FAMILY = '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466}';
const HEART_ON_FIRE = '\u2764\ufe0f\u200d\u{1f525}';
const WALES = '\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}';

/** The same rules by the regular expressions that protovalidate has everywhere (RE2). */
const re2 = createValidator({ registry: createRegistry(textRules) });
const brokenByRe2 = (name: string): string[] => {
  const schema = CommandService.method.changeName.input;
  const { violations = [] } = re2.validate(schema, create(schema, { userId: ID, name })) as {
    violations?: { ruleId: string }[];
  };
  return violations.map(({ ruleId }) => ruleId);
};

describe('plain text', () => {
  it.each([
    ['a name in ASCII', "Ada O'Neil-Lovelace, 2nd"],
    ['Persian with a ZWNJ inside a word', 'می\u200cخواهم'],
    ['Devanagari with a ZWJ behind a virama', 'क्\u200dष'],
    ['Malayalam that ends in a chillu written with a ZWJ', 'അവന്\u200d'],
    ['Bengali with a ZWJ before a virama', 'র\u200d্যাব'],
    ['Hebrew with points', 'שָׁלוֹם'],
    ['Arabic', 'محمد بن سلمان'],
    ['Thai', 'สมชาย ใจดี'],
    ['Japanese with an ideographic space', '山田\u3000太郎'],
    ['an ideograph with a variation selector', '葛\u{e0100}城'],
    ['Mongolian with a vowel separator', 'ᠪᠠᠶᠠᠷᠠ\u180eᠠ'],
    ['a family', `Ada ${FAMILY}`],
    ['a heart with a variation selector and a joiner', HEART_ON_FIRE],
    ['a hand of a colour', '\u{1f44b}\u{1f3fd}'],
    ['the flag of a country', '\u{1f1f3}\u{1f1f1}'],
    ['the flag of a region, of tags', WALES],
    ['a keycap', '#\ufe0f\u20e3'],
    ['punctuation alone', '?'],
  ])('takes %s as it is', async (_, text) => {
    expect(await sent('name', text)).toBe(text);
    expect(await sent('reason', text)).toBe(text);
    expect(await sent('search', text)).toBe(text);
    expect(brokenByRe2(text)).toEqual([]);
  });

  it.each([
    ['a control', 'A\u0000da'],
    ['a line feed', 'Ada\nadmin'],
    ['a tab', 'Ada\tadmin'],
    ['a control of C1', 'A\u0085da'],
    ['the control sequence introducer of C1', 'A\u009b31mda'],
    ['a line separator', 'A\u2028da'],
    ['a paragraph separator', 'A\u2029da'],
    ['an override of direction', 'Alice\u202eeviL'],
    ['an isolate', 'A\u2066da'],
    ['a mark of direction', 'A\u200fda'],
    ['the Arabic letter mark', 'A\u061cda'],
    ['a zero width space', 'A\u200bda'],
    ['a word joiner', 'A\u2060da'],
    ['a byte order mark', 'A\ufeffda'],
    ['a soft hyphen', 'A\u00adda'],
    ['a grapheme joiner', 'A\u034fda'],
    ['a Hangul filler', '\u3164'],
    ['a halfwidth Hangul filler', 'A\uffa0'],
    ['an empty braille pattern', 'A\u2800da'],
    ['an annotation', 'A\ufff9da'],
    ['a noncharacter', 'A\u{1fffe}da'],
    ['a private use character', 'A\ue000da'],
    ['a lone surrogate', 'A\ud800da'],
    ['a joiner at the beginning', '\u200dAda'],
    ['a joiner at the end', 'Ada\u200d'],
    ['a joiner behind a blank', 'Ada \u200cL'],
    ['two joiners', 'A\u200d\u200dda'],
    ['a variation selector behind nothing', 'A \ufe0fda'],
    ['two variation selectors', 'A\ufe0f\ufe0fda'],
    ['tags behind no flag', 'A\u{e0061}da'],
    ['a text in tags behind a flag', `\u{1f3f4}${'\u{e0061}'.repeat(7)}\u{e007f}`],
  ])('refuses %s', async (_, text) => {
    expect(await sent('name', text)).toEqual(['string.plain']);
    expect(await sent('reason', text)).toEqual(['string.plain']);
    expect(await sent('search', text)).toEqual(['string.plain']);
    expect(await sent('actor', text)).toEqual(['string.plain']);
    expect(brokenByRe2(text)).toEqual(['string.plain']);
  });

  it.each(['', ' ', '\u00a0\u3000', '\n', '\ufeff', '\u0301', '\ufe0f'])('needs something that is seen: %j', async (text) => {
    expect(await sent('name', text)).toContain('string.visible');
    expect(await sent('reason', text)).toContain('string.visible');
  });
});

describe('the form of text', () => {
  it.each([
    ['José', 'Jose\u0301'],
    ['Nguyễn', 'Nguye\u0302\u0303n'],
    ['한글', '\u1112\u1161\u11ab\u1100\u1173\u11af'],
    ['Ada', ' \tAda\u00a0\n'],
  ])('is composed and has no white space at its ends: %s', async (formed, text) => {
    expect(await sent('name', text)).toBe(formed);
    expect(await sent('reason', text)).toBe(formed);
    expect(await sent('search', text)).toBe(formed);
    expect(await sent('actor', text)).toBe(formed);
  });

  it('counts a name by its composed characters', async () => {
    expect(await sent('name', 'e\u0301'.repeat(200))).toBe('é'.repeat(200));
    expect(await sent('name', 'e\u0301'.repeat(201))).toEqual(['string.max_len']);
  });

  it('takes no time for text that no form makes short enough', async () => {
    const marks = `a${'\u0323\u0301'.repeat(200_000)}`;
    expect(await sent('name', marks)).toContain('string.max_len');
  });

  it('trims addresses, and takes none outside of ASCII', async () => {
    const { method } = QueryService;
    const call = callTo(method.findUserByEmail, { request: { email: ' ada@example.org \n' } });
    await pass(rules, call);
    expect(call.request).toMatchObject({ email: 'ada@example.org' });
    for (const email of ['ada@exämple.org', 'adä@example.org', '\u212aada@example.org', 'ada@example.org\u200b']) {
      await expect(pass(rules, callTo(method.findUserByEmail, { request: { email } }))).rejects.toThrow(InvalidRequest);
    }
    await pass(rules, callTo(method.findUserByEmail, { request: { email: 'ada@xn--exmple-cua.org' } }));
  });

  it('counts passwords after compatibility composition, and keeps their white space', async () => {
    const create = async (password: string): Promise<string> => {
      const call = callTo(CommandService.method.createUser, { request: { email: 'ada@example.org', name: 'Ada', password } });
      await pass(rules, call);
      return (call.request as unknown as { password: string }).password;
    };
    expect(await create('\ufdfa'.repeat(5))).toBe('\ufdfa'.repeat(5).normalize('NFKC'));
    expect(await create('u\u0323\u0302'.repeat(50))).toHaveLength(100);
    expect(await create(' fifteen letters ')).toBe(' fifteen letters ');
    await expect(create('\ufdfa'.repeat(8))).rejects.toThrow(InvalidRequest);
    await expect(create('e\u0301'.repeat(14))).rejects.toThrow(InvalidRequest);
  });

  it.each([
    ['name  desc', 'name desc'],
    [' name\tdesc ', 'name desc'],
    ['  ', ''],
  ])('of terms has single blanks: %j', async (orderBy, formed) => {
    const call = callTo(QueryService.method.listUsers, { request: { orderBy } });
    await pass(rules, call);
    expect(call.request).toMatchObject({ orderBy: formed });
  });

  it('leaves a message alone that its sender still holds', async () => {
    const { method } = CommandService;
    const message = create(method.changeName.input, { userId: ID, name: ' Jose\u0301 ' });
    const call = callTo(method.changeName, { request: message });
    expect(call.request).toBe(message);
    await pass(rules, call);
    expect(message.name).toBe(' Jose\u0301 ');
    expect(call.request).toMatchObject({ name: 'José' });

    const formed = create(method.changeName.input, { userId: ID, name: 'José' });
    const untouched = callTo(method.changeName, { request: formed });
    await pass(rules, untouched);
    expect(untouched.request).toBe(formed);
  });
});
