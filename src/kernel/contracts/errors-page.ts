import type { ErrorReason } from './errors.ts';
import { table } from './markdown-table.ts';

const INTRODUCTION = `# Errors

Every call that fails has a gRPC code and, as a detail, \`google.rpc.ErrorInfo\`. The same error looks the same over gRPC, gRPC-Web and
Connect. Compare \`ErrorInfo.domain\` and \`ErrorInfo.reason\`: these never change. The message is for people and may change. Each reason is a
value of the \`enum Reason\` of its package, so your language has it as a constant: \`REASON_EMAIL_TAKEN\` of \`users.v1\` is the reason
\`EMAIL_TAKEN\` of the domain \`users.v1\`.

| detail | what it holds |
| --- | --- |
| \`ErrorInfo\` | domain, reason, and the varying parts of the message by key, as listed below |
| \`BadRequest\` | every wrong field by its path, and what is wrong with it |
| \`PreconditionFailure\` | the reason again, with its subject |
| \`ResourceInfo\` | the resource that was not found or exists already, by type and name |
| \`RetryInfo\` | how long to wait before the call is sent again; a unary call in Connect also gets the header \`retry-after\`, in whole seconds |

| code | what a client does |
| --- | --- |
| INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION, PERMISSION_DENIED | tells its user; the same call fails again until something changes |
| UNAUTHENTICATED | logs in, and sends the call again with the new token |
| ABORTED | reads again, decides again, and sends the command again |
| RESOURCE_EXHAUSTED, UNAVAILABLE | sends the call again after the delay in \`RetryInfo\`, and waits longer each time; without \`RetryInfo\`, sending it again does not help |
| DEADLINE_EXCEEDED, CANCELLED | reads before it sends a command again: it may have been done |
| UNIMPLEMENTED, INTERNAL, DATA_LOSS, UNKNOWN | reports the error; no other request helps |

Any rpc can fail with a reason of \`cqrs.v1\`. Reasons of another domain come from the rpcs of that domain; the page of its package in
[reference/](reference) lists them by rpc.
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
