import { err, ok, type Result } from 'neverthrow';
import type { DomainError } from '../../../kernel/bus/errors.ts';
import { ProjectionNotFound, ReactorNotFound } from '../not-found.ts';
import type { OperationsCommandContext } from './context.ts';
import { ProjectionInline } from './refusals.ts';

type Changed = Promise<Result<{ changed: boolean }, DomainError>>;

/** Pauses a projection, or lets it go on. */
export async function setProjectionPaused(
  name: string,
  paused: boolean,
  { processors, projections }: OperationsCommandContext,
): Changed {
  if ((await processors.kindOf(name)) !== 'projection')
    return err(projections.get(name)?.kind === 'inline' ? new ProjectionInline() : new ProjectionNotFound(name));
  return ok({ changed: await processors.setPaused(name, paused) });
}

/** Pauses a reactor, or lets it go on. */
export async function setReactorPaused(name: string, paused: boolean, { processors }: OperationsCommandContext): Changed {
  if ((await processors.kindOf(name)) !== 'reactor') return err(new ReactorNotFound(name));
  return ok({ changed: await processors.setPaused(name, paused) });
}
