import { application as program } from '../../../../src/app.ts';
import { type Application, type Run, type Service, startService } from '../../../../src/kernel/service.ts';
import { orders } from '../../../modules/orders/module.ts';
import { laterOrders } from './later-orders.ts';

/** The program with orders that are made later. */
export const application: Application = {
  ...program,
  modules: [...program.modules, { ...orders, processes: [laterOrders] }],
};

export const startApp = (config: Run['config'], host: Omit<Run, 'config'>): Promise<Service> =>
  startService(application, { config, ...host });
