import type { Application } from 'bicameral';
import { audit } from 'bicameral/audit';
import { farmShop } from './modules/farm_shop/module.ts';

/** What this service is made of. A module is one line here. */
export const application: Application = {
  name: 'village-green',
  modules: [audit, farmShop],
  roles: {
    admin: ['farm_shop.read', 'farm_shop.write', 'audit.read', 'audit.write'],
    auditor: ['farm_shop.read', 'audit.read'],
  },
};
