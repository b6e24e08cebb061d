import { describe, it } from 'node:test';
import { answered, refused, testId } from 'bicameral/testing';
import { retireGardenTool } from '../../../../src/modules/tool_shed/commands/retire-garden-tool.ts';
import { givenGardenTool } from '../given-garden-tool.ts';
import { given } from '../in-memory.ts';

const { id } = givenGardenTool();

describe('retireGardenTool', () => {
  it('records what happened, in one version', async () => {
    await given(givenGardenTool())
      .when(retireGardenTool, { gardenToolId: id })
      .then({ type: 'GardenToolRetired' }, answered({ gardenTool: { id, version: 2n } }));
  });

  it('refuses a garden tool that is not there', async () => {
    await given()
      .when(retireGardenTool, { gardenToolId: testId('nobody') })
      .then(refused('GARDEN_TOOL_NOT_FOUND'));
  });

  it('refuses another version than the expected one', async () => {
    await given(givenGardenTool())
      .when(retireGardenTool, { gardenToolId: id, expectedVersion: 7n })
      .then(refused('VERSION_MISMATCH', { metadata: { current_version: '1' } }));
  });
});
