import { defineModule } from 'bicameral';
import { services } from './services.ts';

export const greetings = defineModule({
  name: 'greetings',
  services,
  permissions: { 'greetings.read': 'Be greeted', 'greetings.write': 'Wave' },
});
