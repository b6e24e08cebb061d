import { describe, it } from 'node:test';
import { given, nothing, refused, state, TEST_TIME, testId } from 'bicameral/testing';
import { JamJar } from '../../../../src/modules/farm_shop/domain/jam-jar.ts';

const created = (): JamJar => JamJar.create({ id: testId('plum'), name: 'Plum', at: TEST_TIME });
const at = new Date('2026-01-02T12:00:00Z');

describe('a jam jar', () => {
  it('is created at version 1', () => {
    given()
      .when(created)
      .then({ type: 'JamJarCreated', name: 'Plum' }, state({ name: 'Plum', version: 1 }));
  });

  it('is renamed', () => {
    given(created())
      .when((jamJar) => jamJar.rename('Quince', { at }))
      .then({ type: 'JamJarRenamed', name: 'Quince' }, state({ name: 'Quince', updatedAt: at }));
  });

  it('records nothing when the name is the same', () => {
    given(created())
      .when((jamJar) => jamJar.rename('Plum', { at }))
      .then(nothing);
  });

  it('is not changed at another version than the expected one', () => {
    given(created())
      .when((jamJar) => jamJar.rename('Quince', { at, expectedVersion: 7n }))
      .then(refused('VERSION_MISMATCH', { metadata: { current_version: '1' } }));
  });
});
