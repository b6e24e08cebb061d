import { describe, it } from 'node:test';
import { answered, refused, testId } from 'bicameral/testing';
import { renameJamJar } from '../../../../src/modules/farm_shop/commands/rename-jam-jar.ts';
import { givenJamJar } from '../given-jam-jar.ts';
import { given } from '../in-memory.ts';

const { id } = givenJamJar();

describe('renameJamJar', () => {
  it('renames a jam jar', async () => {
    await given(givenJamJar())
      .when(renameJamJar, { jamJarId: id, name: 'Second' })
      .then({ type: 'JamJarRenamed', name: 'Second' }, answered({ jamJar: { id, name: 'Second', version: 2n } }));
  });

  it('refuses a jam jar that is not there', async () => {
    await given()
      .when(renameJamJar, { jamJarId: testId('nobody'), name: 'Second' })
      .then(refused('JAM_JAR_NOT_FOUND'));
  });

  it('refuses another version than the expected one', async () => {
    await given(givenJamJar())
      .when(renameJamJar, { jamJarId: id, name: 'Second', expectedVersion: 7n })
      .then(refused('VERSION_MISMATCH', { metadata: { current_version: '1' } }));
  });
});
