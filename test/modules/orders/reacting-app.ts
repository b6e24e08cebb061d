import { application as program } from '../../../src/app.ts';
import { type Application, type Run, type Service, startService } from '../../../src/kernel/service.ts';
import { orders } from './module.ts';
import { closeOrders } from './reactors/close-orders.ts';
import { thankYou } from './reactors/thank-you.ts';
import { welcomeGift } from './reactors/welcome-gift.ts';

/** The program with orders that follow what becomes of users. */
export const application: Application = {
  ...program,
  modules: [...program.modules, { ...orders, reactors: [welcomeGift, thankYou, closeOrders] }],
};

export const startApp = (config: Run['config'], host: Omit<Run, 'config'>): Promise<Service> =>
  startService(application, { config, ...host });
