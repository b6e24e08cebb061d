import type { DescMethod } from '@bufbuild/protobuf';
import { accessRule } from '../bus/access.ts';

/** What each role permits, by the name of the role. */
export type RolePermissions = Readonly<Record<string, 'all' | readonly string[]>>;

/** Who may call an rpc, in words, from its access rule. */
export function whoMayCall(method: DescMethod, roles: RolePermissions): string {
  const rule = accessRule(method);
  if (!rule) return 'nobody';
  if (rule.anonymous) return 'anyone, without a token';
  if (rule.authenticated) return 'anyone with a token';
  const callers = [];
  if (rule.self) callers.push(`the user whose id is \`${rule.self}\``);
  if (rule.owner) callers.push(`the owner of what \`${rule.owner}\` names`);
  if (rule.permission) {
    const holders = Object.keys(roles).filter((role) => roles[role] === 'all' || roles[role]?.includes(rule.permission));
    const held = holders.length > 0 ? ` (role ${holders.map((role) => `\`${role}\``).join(', ')})` : '';
    callers.push(`callers with the permission \`${rule.permission}\`${held}`);
  }
  return callers.join('; ');
}
