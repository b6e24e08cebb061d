import { describe, it } from 'node:test';
import { given, nothing, refused, state, TEST_TIME, testId } from 'bicameral/testing';
import { GardenTool } from '../../../../src/modules/tool_shed/domain/garden-tool.ts';

const created = (): GardenTool => GardenTool.create({ id: testId('spade'), name: 'Spade', at: TEST_TIME });
const at = new Date('2026-01-02T12:00:00Z');

describe('a garden tool', () => {
  it('is created at version 1', () => {
    given()
      .when(created)
      .then({ type: 'GardenToolCreated', name: 'Spade' }, state({ name: 'Spade', version: 1 }));
  });

  it('is renamed', () => {
    given(created())
      .when((gardenTool) => gardenTool.rename('Hoe', { at }))
      .then({ type: 'GardenToolRenamed', name: 'Hoe' }, state({ name: 'Hoe', updatedAt: at }));
  });

  it('records nothing when the name is the same', () => {
    given(created())
      .when((gardenTool) => gardenTool.rename('Spade', { at }))
      .then(nothing);
  });

  it('is not changed at another version than the expected one', () => {
    given(created())
      .when((gardenTool) => gardenTool.rename('Hoe', { at, expectedVersion: 7n }))
      .then(refused('VERSION_MISMATCH', { metadata: { current_version: '1' } }));
  });
});
