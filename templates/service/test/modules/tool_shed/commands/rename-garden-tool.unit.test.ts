import { describe, it } from 'node:test';
import { answered, refused, testId } from 'bicameral/testing';
import { renameGardenTool } from '../../../../src/modules/tool_shed/commands/rename-garden-tool.ts';
import { givenGardenTool } from '../given-garden-tool.ts';
import { given } from '../in-memory.ts';

const { id } = givenGardenTool();

describe('renameGardenTool', () => {
  it('renames a garden tool', async () => {
    await given(givenGardenTool())
      .when(renameGardenTool, { gardenToolId: id, name: 'Second' })
      .then({ type: 'GardenToolRenamed', name: 'Second' }, answered({ gardenTool: { id, name: 'Second', version: 2n } }));
  });

  it('refuses a garden tool that is not there', async () => {
    await given()
      .when(renameGardenTool, { gardenToolId: testId('nobody'), name: 'Second' })
      .then(refused('GARDEN_TOOL_NOT_FOUND'));
  });

  it('refuses another version than the expected one', async () => {
    await given(givenGardenTool())
      .when(renameGardenTool, { gardenToolId: id, name: 'Second', expectedVersion: 7n })
      .then(refused('VERSION_MISMATCH', { metadata: { current_version: '1' } }));
  });
});
