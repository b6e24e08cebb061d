import { expect, it, jest } from '@jest/globals';
import * as argon2 from '@node-rs/argon2';

/** The PHC strings that passwords were compared with. */
const compared: string[] = [];
jest.unstable_mockModule('@node-rs/argon2', () => ({
  ...argon2,
  verify: (phc: string, password: string) => {
    compared.push(phc);
    return argon2.verify(phc, password);
  },
}));
const { createSecretHasher } = await import('../../../../src/kernel/auth/secret-hasher.ts');
const { createPasswordHasher } = await import('../../../../src/modules/users/persistence/password-hasher.ts');

const work = (phc: string | undefined) => phc?.split('$').slice(0, 4);

it('nobody’s password takes the work of a wrong one: one comparison, by the same parameters', async () => {
  const hasher = await createPasswordHasher(createSecretHasher({ concurrency: 1 }));
  const phc = await hasher.hash('seven green lamps hum');
  await hasher.verify(phc, 'a wrong password');
  await hasher.verifyNothing('a wrong password');
  expect(compared).toHaveLength(2);
  expect(work(compared[1])).toEqual(work(compared[0]));
  expect(compared[1]).not.toBe(phc);
});
