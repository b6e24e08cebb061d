import { type CommandContext, command } from 'bicameral';
import { ok } from 'neverthrow';
import { CommandService } from '#gen/greetings/v1/command_service_pb.js';

/** Waves. */
export const wave = command(CommandService.method.wave, async (_, { principal }: CommandContext) =>
  ok({ wavedBy: principal.id }),
);
