import type { Command } from 'commander';

/** `bicameral new …`: what is loaded only when it is called. */
export function addNewCommands(program: Command): void {
  const group = program
    .command('new')
    .description('Write code: a service, or a part of one, as a person would have written it.')
    .addHelpText(
      'after',
      '\nNames can be given in kebab-case, camelCase or PascalCase. Nothing is overwritten. With --dry-run the changes are shown and not made.',
    );
  const generator = (usage: string, description: string): Command =>
    group.command(usage).description(description).option('--dry-run', 'show what would change, and change nothing');
  const load = () => import('./run.ts');

  generator('service <name>', 'A service with one module, in a folder of its name.').action(async (name: string, options) =>
    (await load()).runNewService(name, options),
  );
  generator('module <name>', 'A module with one aggregate: contract, commands, queries, tables, tests.')
    .option('--aggregate <name>', 'what one of them is called (default: the singular of the module)')
    .option('--plural <name>', 'what many of them are called (default: its plural)')
    .action(async (name: string, options) => (await load()).runNewModule(name, options));
  generator('command <module> <name>', 'A command that changes an aggregate, such as CancelOrder.')
    .option('--aggregate <name>', 'the aggregate that it changes (default: the one that its name holds)')
    .option('--event <name>', 'the event that it records (default: OrderCanceled for CancelOrder)')
    .action(async (module: string, name: string, options) => (await load()).runNewCommand(module, name, options));
  generator('query <module> <name>', 'A query of a read model, such as GetOrder, or ListOrders for a list.')
    .option('--aggregate <name>', 'the aggregate that it is about (default: the one that its name holds)')
    .action(async (module: string, name: string, options) => (await load()).runNewQuery(module, name, options));
  generator('aggregate <module> <name>', 'Another aggregate in a module, with its commands, queries and tables.')
    .option('--plural <name>', 'what many of them are called')
    .action(async (module: string, name: string, options) => (await load()).runNewAggregate(module, name, options));
  generator('event <module> <aggregate> <name>', 'An event that an aggregate can record, such as OrderShipped.').action(
    async (module: string, aggregate: string, name: string, options) =>
      (await load()).runNewEvent(module, aggregate, name, options),
  );
  generator('projection <module> <name>', "A read model that is kept in the command's own transaction.")
    .option('--aggregate <name>', 'the aggregate that it shows')
    .action(async (module: string, name: string, options) => (await load()).runNewProjection(module, name, options));
  generator('migration <module> <name>', 'A change of the schema.').action(async (module: string, name: string, options) =>
    (await load()).runNewMigration(module, name, options),
  );
}
