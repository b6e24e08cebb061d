import { type Application, middleware } from 'bicameral';
import { audit } from 'bicameral/audit';
import { greetings } from './modules/greetings/module.ts';

/** Says in every answer which shop it is from. */
const shopName = middleware(
  'shop name',
  () => (next) => async (request) => {
    const response = await next(request);
    response.header.set('x-shop', 'on the corner');
    return response;
  },
  { after: 'authentication' },
);

export const application: Application = {
  name: 'shop',
  modules: [greetings, audit],
  roles: { clerk: ['greetings.read', 'greetings.write'], auditor: ['audit.read', 'audit.write'] },
  middleware: [shopName],
  routes: [{ path: '/opening-hours', handle: () => ({ status: 200, body: { open: '9 to 5' } }) }],
};
