import { describe, it } from 'node:test';
import { answered, refused, testId } from 'bicameral/testing';
import { retireJamJar } from '../../../../src/modules/farm_shop/commands/retire-jam-jar.ts';
import { givenJamJar } from '../given-jam-jar.ts';
import { given } from '../in-memory.ts';

const { id } = givenJamJar();

describe('retireJamJar', () => {
  it('records what happened, in one version', async () => {
    await given(givenJamJar())
      .when(retireJamJar, { jamJarId: id })
      .then({ type: 'JamJarRetired' }, answered({ jamJar: { id, version: 2n } }));
  });

  it('refuses a jam jar that is not there', async () => {
    await given()
      .when(retireJamJar, { jamJarId: testId('nobody') })
      .then(refused('JAM_JAR_NOT_FOUND'));
  });

  it('refuses another version than the expected one', async () => {
    await given(givenJamJar())
      .when(retireJamJar, { jamJarId: id, expectedVersion: 7n })
      .then(refused('VERSION_MISMATCH', { metadata: { current_version: '1' } }));
  });
});
