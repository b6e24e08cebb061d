import { describe, it } from 'node:test';
import { answered, refused, testId } from 'bicameral/testing';
import { createGardenTool } from '../../../../src/modules/tool_shed/commands/create-garden-tool.ts';
import { given } from '../in-memory.ts';

describe('createGardenTool', () => {
  it('creates a garden tool', async () => {
    await given()
      .when(createGardenTool, { name: 'Spade' })
      .then(
        { type: 'GardenToolCreated', name: 'Spade' },
        answered({ gardenTool: { id: testId(1), name: 'Spade', version: 1n } }),
      );
  });

  it('refuses a name that nobody can see', async () => {
    await given()
      .when(createGardenTool, { name: ' ' })
      .then(refused('INVALID_REQUEST', { fields: ['name'] }));
  });
});
