import { readStatements } from '../../../kernel/database/read/read-statements.ts';

const statements = readStatements<{
  'cqrs.subscription': {
    readonly name: string;
    readonly principal: string;
    readonly acknowledged: string;
    readonly consumer: string | null;
  };
}>();

/** Takes the name of the subscription. */
export const subscriptionByName = statements
  .selectFrom('cqrs.subscription')
  .select(['principal', 'acknowledged', 'consumer'])
  .where('name', '=', '')
  .compile();
