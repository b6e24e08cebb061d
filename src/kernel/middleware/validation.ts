import { create, type DescMessage, hasOption } from '@bufbuild/protobuf';
import { pathToString } from '@bufbuild/protobuf/reflect';
import { CompilationError, type Violation } from '@bufbuild/protovalidate';
import {
  field as fieldRules,
  message as messageRules,
  oneof as oneofRules,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import type { Message } from '../bus/call.ts';
import { type FieldViolation, InvalidRequest } from '../bus/errors.ts';
import { type Around, busMiddleware, type Middleware, type Need } from '../bus/middleware.ts';
import { requestValidator } from '../contracts/request-validator.ts';
import { textFormOf } from '../contracts/text-form.ts';

const NEEDS: readonly Need[] = [
  { name: 'errors', because: 'a request that breaks rules gets a typed error' },
  { name: 'authentication', because: 'the request of a stranger is not worth the time of its rules' },
];

/** The rest is counted: a long list of bad elements is one mistake, and an error has to fit into headers. */
const MAX_LISTED = 19;

/**
 * Brings the text of requests into the forms of their contract (`cqrs.v1.text`), then checks its rules (protovalidate): a call fails with
 * InvalidRequest, which lists the rules that it breaks. Rpcs whose requests have neither forms nor rules have no validation.
 *
 * The rules are compiled when it is made for an rpc: the first validation of a process takes 50 to 90 ms, which no caller should wait for.
 * It throws for a contract with a rule that cannot be compiled.
 */
export function validation(): Middleware {
  const validator = requestValidator();

  function refusalOf(type: DescMessage, message: Message): InvalidRequest | undefined {
    const result = validator.validate(type, message);
    if (result.kind === 'valid') return undefined;
    if (result.kind === 'invalid') return new InvalidRequest(listed(result.violations));
    if (result.error instanceof CompilationError) throw result.error;
    // A rule that cannot be computed for this input, e.g. an index outside a list, does not hold for it.
    return new InvalidRequest([{ field: '', description: 'a rule cannot be computed for these values' }]);
  }

  return busMiddleware(
    'validation',
    ({ input }) => {
      const form = textFormOf(input);
      const isRuled = hasRules(input, new Set());
      if (isRuled) refusalOf(input, create(input));
      if (!form && !isRuled) return undefined;
      const validated: Around = (next) => (call) => {
        try {
          if (form) call.request = form(call.request);
          const refusal = isRuled ? refusalOf(input, call.request) : undefined;
          return refusal ? Promise.reject(refusal) : next(call);
        } catch (error) {
          return Promise.reject(error);
        }
      };
      return validated;
    },
    NEEDS,
  );
}

function hasRules(type: DescMessage, visited: Set<DescMessage>): boolean {
  if (visited.has(type)) return false;
  visited.add(type);
  if (hasOption(type, messageRules) || type.oneofs.some((oneof) => hasOption(oneof, oneofRules))) return true;
  return type.fields.some(
    (field) => hasOption(field, fieldRules) || (field.message !== undefined && hasRules(field.message, visited)),
  );
}

function listed(violations: readonly Violation[]): FieldViolation[] {
  const shown = violations.slice(0, MAX_LISTED).map(fieldViolation);
  const rest = violations.length - shown.length;
  return rest > 0 ? [...shown, { field: '', description: `and ${rest} more` }] : shown;
}

function fieldViolation(violation: Violation): FieldViolation {
  return { field: pathToString(violation.field), description: description(violation), rule: violation.ruleId };
}

/** Standard rules speak of the rule only. The text of a CEL rule can be computed, and quote a secret. */
function description({ field, rule, ruleId, message }: Violation): string {
  const isSecret = field.some((step) => step.kind === 'field' && step.proto.options?.debugRedact === true);
  const isCustom = rule.some((step) => step.kind === 'extension' || (step.kind === 'field' && step.name.startsWith('cel')));
  return isSecret && isCustom ? `breaks the rule ${ruleId}` : message;
}
