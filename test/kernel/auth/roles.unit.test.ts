import { describe, expect, it } from '@jest/globals';
import { createRoles } from '../../../src/kernel/auth/roles.ts';

const PERMISSIONS = ['users.read', 'users.write', 'audit.read', 'events.read', 'operations.read', 'operations.write'];
const { permissionsOf } = createRoles(
  {
    admin: 'all',
    auditor: ['users.read', 'audit.read', 'events.read'],
    operator: ['operations.read', 'operations.write'],
  },
  PERMISSIONS,
);

describe('roles', () => {
  it.each([
    ['admin', [...PERMISSIONS]],
    ['auditor', ['users.read', 'audit.read', 'events.read']],
    ['operator', ['operations.read', 'operations.write']],
  ])('permit %s what the table says', (role, permissions) => {
    expect([...permissionsOf([role])]).toEqual(permissions);
  });

  it('permit together what each permits', () => {
    expect([...permissionsOf(['operator', 'auditor'])].sort()).toEqual(
      ['audit.read', 'events.read', 'operations.read', 'operations.write', 'users.read'].sort(),
    );
  });

  it.each([[[]], [['root']], [['Admin']], [['constructor', '__proto__']]])('permit nothing when none is known: %j', (roles) => {
    expect(permissionsOf(roles).size).toBe(0);
  });

  it('are looked up once for a combination, in whatever order', () => {
    expect(permissionsOf(['operator', 'unknown', 'auditor'])).toBe(permissionsOf(['auditor', 'operator']));
  });
});
