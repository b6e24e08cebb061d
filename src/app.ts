import { type Application, type Run, type Service, startService } from './kernel/service.ts';
import { audit } from './modules/audit/module.ts';
import { events } from './modules/events/module.ts';
import { operations } from './modules/operations/module.ts';
import { users } from './modules/users/module.ts';
import { roles } from './roles.ts';

/** What this service is made of. A module is one line here. */
export const application: Application = {
  name: 'bicameral',
  modules: [users, audit, events, operations],
  roles,
};

/** The running program. */
export type App = Service;

/** Puts the program together and opens its doors. What was started is stopped again when a later part fails. */
export const startApp = (config: Run['config'], host: Omit<Run, 'config'>): Promise<App> =>
  startService(application, { config, ...host });
