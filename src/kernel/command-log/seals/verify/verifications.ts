import type pg from 'pg';
import { Overloaded } from '../../../bus/errors.ts';
import type { VerifyingKeys } from '../signature.ts';
import type { ExpectedHead } from './expected-head.ts';
import { type VerifyEvent, verifyLog } from './verify-log.ts';

/** Starts a verification of the whole log. Ends with Overloaded when as many are running as may. */
export type Verify = (expectedHead: ExpectedHead | undefined) => AsyncGenerator<VerifyEvent>;

/** Verifications at once: each keeps one of the connections that queries share, for as long as it runs. */
const MOST = 2;

/** Verifications that read from `primary`: see `verifyLog`. */
export function createVerifications({
  primary,
  keys,
  onDamage = () => {},
}: {
  primary: pg.Pool;
  keys: VerifyingKeys;
  /** Told of each verification that found something. */
  onDamage?: () => void;
}): Verify {
  let running = 0;
  return async function* verify(expectedHead) {
    if (running >= MOST) throw new Overloaded('a verification of the log');
    running += 1;
    try {
      for await (const event of verifyLog({ pool: primary, keys, expectedHead })) {
        if (event.kind === 'result' && event.findings > 0) onDamage();
        yield event;
      }
    } finally {
      running -= 1;
    }
  };
}
