import { TEST_TIME, testId } from 'bicameral/testing';
import { GardenTool } from '../../../src/modules/tool_shed/domain/garden-tool.ts';

/** A garden tool as it is after it was created. */
export const givenGardenTool = (): GardenTool =>
  GardenTool.create({ id: testId('given garden tool'), name: 'First', at: TEST_TIME });
