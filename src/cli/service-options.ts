import type { Command } from 'commander';

/** Whether a subcommand calls a running service. */
export const callsService = (command: Command): boolean => command.options.some(({ long }) => long === '--ca');

/** The options of every subcommand that calls a running service: see `TrustFiles`. */
export function withTrustOptions(command: Command): Command {
  return command
    .option('--ca <file>', 'PEM certificate to trust; TLS_CERT_FILE when the service speaks TLS')
    .option('--cert <file>', 'PEM client certificate, for mutual TLS')
    .option('--key <file>', 'PEM key of the client certificate');
}
