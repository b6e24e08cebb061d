import { describe, expect, it } from '@jest/globals';
import { nameOf, parseName } from '../../../src/cli/new/name.ts';
import { pluralOf, singularOf } from '../../../src/cli/new/plural.ts';
import { pastParticiple } from '../../../src/cli/new/verbs.ts';

describe('a name', () => {
  it.each(['purchase-order', 'purchase_order', 'purchaseOrder', 'PurchaseOrder'])(
    'is the same however it is written: %s',
    (text) => {
      expect(parseName('aggregate', text)).toEqual({
        pascal: 'PurchaseOrder',
        camel: 'purchaseOrder',
        snake: 'purchase_order',
        kebab: 'purchase-order',
        constant: 'PURCHASE_ORDER',
        words: 'purchase order',
      });
    },
  );

  it('writes an abbreviation as a word, as files are named', () => {
    expect(parseName('command', 'SendSMS')).toMatchObject({ pascal: 'SendSms', kebab: 'send-sms' });
    expect(parseName('command', 'RenewHTTP2Session')).toMatchObject({
      pascal: 'RenewHttp2Session',
      kebab: 'renew-http2-session',
    });
  });

  it.each([
    ['module', '2nd', 'letters and digits'],
    ['module', 'order/s', 'letters and digits'],
    ['module', '../orders', 'letters and digits'],
    ['module', 'orders-', 'letters and digits'],
    ['module', '', 'letters and digits'],
    ['module', `o${'r'.repeat(40)}`, 'at most 40'],
    ['module', 'select', 'a word of SQL'],
    ['module', 'table', 'a word of SQL'],
    ['module', 'message', 'a word of protobuf'],
    ['module', 'cqrs', 'a name of the kernel'],
    ['module', 'class', 'a word of TypeScript'],
    ['aggregate', 'Package', 'a word of TypeScript'],
    ['aggregate', 'Map', 'the name of a class'],
    ['command', 'Delete', 'a word of TypeScript'],
    ['projection', 'Window', 'a word of SQL'],
  ] as const)('refuses a %s called %p: %s, and says what to give', (kind, text, why) => {
    expect(() => parseName(kind, text)).toThrow(why);
    expect(() => parseName(kind, text)).toThrow(/: give .*/);
  });

  it('lets an aggregate be called as SQL calls things: its table is quoted', () => {
    expect(parseName('aggregate', 'Order').pascal).toBe('Order');
    expect(parseName('aggregate', 'User').pascal).toBe('User');
  });
});

describe('the plural', () => {
  it.each([
    ['order', 'orders'],
    ['category', 'categories'],
    ['address', 'addresses'],
    ['box', 'boxes'],
    ['day', 'days'],
    ['purchase order', 'purchase orders'],
  ])('of %s is %s, and back', (one, many) => {
    expect(pluralOf(nameOf(one.split(' '))).words).toBe(many);
    expect(singularOf(nameOf(many.split(' ')))?.words).toBe(one);
  });

  it.each(['billing', 'status', 'analysis', 'access'])('is not %s', (word) => {
    expect(singularOf(nameOf([word]))).toBeUndefined();
  });
});

describe('what was done', () => {
  it.each([
    ['cancel', 'canceled'],
    ['ship', 'shipped'],
    ['place', 'placed'],
    ['deny', 'denied'],
    ['pay', 'paid'],
    ['send', 'sent'],
    ['submit', 'submitted'],
    ['refer', 'referred'],
    ['relay', 'relayed'],
    ['fix', 'fixed'],
    ['open', 'opened'],
  ])('with %s is %s', (verb, participle) => {
    expect(pastParticiple(verb)).toBe(participle);
  });
});
