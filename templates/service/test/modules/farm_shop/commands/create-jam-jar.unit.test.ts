import { describe, it } from 'node:test';
import { answered, refused, testId } from 'bicameral/testing';
import { createJamJar } from '../../../../src/modules/farm_shop/commands/create-jam-jar.ts';
import { given } from '../in-memory.ts';

describe('createJamJar', () => {
  it('creates a jam jar', async () => {
    await given()
      .when(createJamJar, { name: 'Plum' })
      .then({ type: 'JamJarCreated', name: 'Plum' }, answered({ jamJar: { id: testId(1), name: 'Plum', version: 1n } }));
  });

  it('refuses a name that nobody can see', async () => {
    await given()
      .when(createJamJar, { name: ' ' })
      .then(refused('INVALID_REQUEST', { fields: ['name'] }));
  });
});
