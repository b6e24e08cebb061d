import { domainError } from 'bicameral';
import { Reason, ReasonSchema } from '#gen/tool_shed/v1/reasons_pb.js';

export class GardenToolNotFound extends domainError(ReasonSchema, Reason.GARDEN_TOOL_NOT_FOUND) {
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(id: string) {
    super('there is no such garden tool');
    this.resource = { type: 'tool_shed.v1.GardenTool', name: id };
  }
}
