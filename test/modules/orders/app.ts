import { application as program } from '../../../src/app.ts';
import { type Application, type Run, type Service, startService } from '../../../src/kernel/service.ts';
import { orders } from './module.ts';

/** The program with one module more. */
export const application: Application = { ...program, modules: [...program.modules, orders] };

export const startApp = (config: Run['config'], host: Omit<Run, 'config'>): Promise<Service> =>
  startService(application, { config, ...host });
