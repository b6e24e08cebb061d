import type { Application } from 'bicameral';
import { audit } from 'bicameral/audit';
import { farmShop } from './modules/farm_shop/module.ts';

/** What this service is made of. A module is one line here. */
export const application: Application = {
  name: 'village-green',
  modules: [audit, farmShop],
  roles: {
    admin: 'all',
    auditor: ['farm_shop.read', 'audit.read'],
  },
};
