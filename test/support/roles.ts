import { application } from '../../src/app.ts';
import { rolesOf } from '../../src/kernel/service.ts';

/** The roles of this service. */
export const testRoles = rolesOf(application);
export const { permissionsOf } = testRoles;
