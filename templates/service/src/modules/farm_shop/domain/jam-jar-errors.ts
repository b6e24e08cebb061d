import { domainError } from 'bicameral';
import { Reason, ReasonSchema } from '#gen/farm_shop/v1/reasons_pb.js';

export class VersionMismatch extends domainError(ReasonSchema, Reason.VERSION_MISMATCH) {
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(currentVersion: number) {
    super(`the jam jar is at version ${currentVersion}`);
    this.metadata = { current_version: String(currentVersion) };
  }
}
