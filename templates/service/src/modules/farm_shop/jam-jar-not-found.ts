import { domainError } from 'bicameral';
import { Reason, ReasonSchema } from '#gen/farm_shop/v1/reasons_pb.js';

export class JamJarNotFound extends domainError(ReasonSchema, Reason.JAM_JAR_NOT_FOUND) {
  override readonly resource: { readonly type: string; readonly name: string };
  constructor(id: string) {
    super('there is no such jam jar');
    this.resource = { type: 'farm_shop.v1.JamJar', name: id };
  }
}
