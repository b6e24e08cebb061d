import type { DescMethod } from '@bufbuild/protobuf';
import type { Interceptor } from '@connectrpc/connect';
import type { Around } from './around.ts';
import type { CallKind } from './convention.ts';
import { aroundInterceptor } from './interceptor.ts';

export type { Around, Next } from './around.ts';

/** A middleware that has to stand outside of another one, and why: the reason is part of the message when it does not. */
export interface Need {
  readonly name: string;
  readonly because: string;
  /** The pipelines that it is about; without it, all. */
  readonly of?: 'command' | 'query';
}

/** Where an application's own middleware stands: directly inside of the one that is named, or directly outside of it. */
export type Place = { readonly after: string } | { readonly before: string };

/** A named part of a pipeline. */
export interface Middleware {
  readonly name: string;
  /** Called once for each rpc, at the start. Undefined for an rpc where it has nothing to do: its calls do not pass it. */
  readonly around: (method: DescMethod, kind: CallKind) => Around | undefined;
  readonly needs: readonly Need[];
  readonly place: Place | undefined;
}

/**
 * A middleware of an application, which is any Connect interceptor. It is made once for each rpc, and `undefined` leaves an rpc out.
 *
 * ```ts
 * middleware('slow calls', (method) => (next) => async (request) => { … return await next(request); }, { after: 'authentication' })
 * ```
 *
 * What it throws as a ConnectError is what the caller gets.
 */
export function middleware(
  name: string,
  make: (method: DescMethod, kind: CallKind) => Interceptor | undefined,
  { needs = [], ...place }: Place & { readonly needs?: readonly Need[] },
): Middleware {
  return {
    name,
    needs,
    place,
    around: (method, kind) => {
      const interceptor = make(method, kind);
      return interceptor && aroundInterceptor(interceptor, method);
    },
  };
}

/** A middleware of the kernel: it sees the call and the answer as the bus has them, at no cost. */
export function busMiddleware(name: string, around: Middleware['around'], needs: readonly Need[] = []): Middleware {
  return { name, around, needs, place: undefined };
}

/** What remains of the middleware for one rpc, outermost first. */
export function middlewareOf(
  all: readonly Middleware[],
  method: DescMethod,
  kind: CallKind,
): readonly { readonly name: string; readonly around: Around }[] {
  return all.flatMap(({ name, around }) => {
    const made = around(method, kind);
    return made ? [{ name, around: made }] : [];
  });
}
