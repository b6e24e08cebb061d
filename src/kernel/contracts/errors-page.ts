import type { ErrorReason } from './errors.ts';
import { table } from './markdown-table.ts';

const INTRODUCTION = `# Errors

Every call that fails has a gRPC code and, as a detail, \`google.rpc.ErrorInfo\`. The same error looks the same over gRPC, gRPC-Web and
Connect. Compare \`ErrorInfo.domain\` and \`ErrorInfo.reason\`: these never change. The message is for people and may change.

| detail | what it holds |
| --- | --- |
| \`ErrorInfo\` | domain, reason, and what varies in the message by key, as listed below |
| \`BadRequest\` | every field that is wrong, by its path, and what is wrong with it |
| \`PreconditionFailure\` | the reason again, with what it is about |
| \`ResourceInfo\` | what was looked for or is taken, by type and name |
| \`RetryInfo\` | how long to wait before the call is sent again; a unary call in Connect is told by the header \`retry-after\` too, in whole seconds |

| code | what a client does |
| --- | --- |
| INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION, PERMISSION_DENIED | tells its user; the same call fails again until something else changes |
| UNAUTHENTICATED | logs in, and sends the call again with the new token |
| ABORTED | reads again, decides again, and sends the command again |
| RESOURCE_EXHAUSTED, UNAVAILABLE | sends the call again after the delay in \`RetryInfo\`, a longer one each time; without \`RetryInfo\` it does not help to |
| DEADLINE_EXCEEDED, CANCELLED | reads before it sends a command again: it may have been done |
| UNIMPLEMENTED, INTERNAL, DATA_LOSS, UNKNOWN | reports it; nothing it sends makes that better |

Reasons of \`cqrs.v1\` can come from any rpc; those of another domain come from its own rpcs, and the page of its
package in [reference/](reference) lists them by rpc.
`;

/** docs/errors.md: every reason, for those who write clients. */
export function errorsPage(reasons: readonly ErrorReason[]): string {
  const domains = Map.groupBy(reasons, ({ domain }) => domain);
  return [INTRODUCTION, ...[...domains].map(([domain, listed]) => `## ${domain}\n\n${tableOf(listed)}\n`)].join('\n');
}

function tableOf(reasons: readonly ErrorReason[]): string {
  const rows = reasons.map(({ reason, code, metadata, details, meaning }) => [
    reason,
    code,
    metadata.map((key) => `\`${key}\``).join(', '),
    details.join(', '),
    meaning,
  ]);
  return table(['reason', 'code', 'metadata', 'other details', 'meaning'], rows);
}
