import { Reason, ReasonSchema } from '#gen/cqrs/v1/reasons_pb.js';
import { CONSISTENCY_TOKEN_HEADER } from '../bus/bus-headers.ts';
import { domainError, type FieldViolation } from '../bus/errors.ts';

const violation = (problem: string): readonly FieldViolation[] => [
  { field: '', description: `the header ${CONSISTENCY_TOKEN_HEADER} ${problem}; send the query without it` },
];

export class ConsistencyTokenInvalid extends domainError(ReasonSchema, Reason.CONSISTENCY_TOKEN_INVALID) {
  override readonly violations = violation('holds no token of this service');
  constructor() {
    super('the consistency token is broken, or another service issued it');
  }
}

export class ConsistencyTokenExpired extends domainError(ReasonSchema, Reason.CONSISTENCY_TOKEN_EXPIRED) {
  override readonly violations = violation('holds a token that is too old');
  constructor() {
    super('the consistency token is older than a day');
  }
}

export class ConsistencyTokenForeign extends domainError(ReasonSchema, Reason.CONSISTENCY_TOKEN_FOREIGN) {
  override readonly violations = violation('holds a token of another database');
  constructor() {
    super('the consistency token tells of another database');
  }
}

/** A failover lost what the token tells of, or nobody can tell whether it did. */
export class ConsistencyStateLost extends domainError(ReasonSchema, Reason.CONSISTENCY_STATE_LOST) {
  constructor() {
    super('a failover of the database may have lost what the consistency token tells of; read anew without the token');
  }
}

/** An asynchronous projection that the query reads did not come as far as the token in the time there was. */
export class ProjectionBehind extends domainError(ReasonSchema, Reason.PROJECTION_BEHIND) {
  override readonly retryAfterMs = 1000;
  override readonly metadata: Readonly<Record<string, string>>;
  constructor(projection: string) {
    super(`the projection ${projection} has not handled yet what the consistency token tells of`);
    this.metadata = { projection };
  }
}
