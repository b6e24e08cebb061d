import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { ATTRIBUTE, type SpanAttributes } from './attributes.ts';
import { codeName } from './code-name.ts';

const setter = { set: (header: Headers, name: string, value: string): void => header.set(name, value) };

/** Gives each call of a client a span, until its answer is there or its stream is over, and tells the service of it in `traceparent`. */
export function clientSpans({ host, port }: { host: string; port: number }): Interceptor {
  return (next) => async (request) => {
    const name = `${request.service.typeName}/${request.method.name}`;
    const attributes: SpanAttributes = {
      [ATTRIBUTE.rpcSystem]: 'grpc',
      [ATTRIBUTE.rpcMethod]: name,
      [ATTRIBUTE.serverAddress]: host,
      [ATTRIBUTE.serverPort]: port,
    };
    const span = trace.getTracer('bicameral').startSpan(name, { kind: SpanKind.CLIENT, attributes });
    const inside = trace.setSpan(context.active(), span);
    propagation.inject(inside, request.header, setter);
    try {
      const response = await context.with(inside, next, undefined, request);
      if (response.stream) {
        // Who leaves a stream so asks for no message any more.
        request.signal.addEventListener('abort', () => end(span, ConnectError.from(request.signal.reason, Code.Canceled)), {
          once: true,
        });
        return { ...response, message: watched(response.message, span) };
      }
      end(span);
      return response;
    } catch (error) {
      end(span, error);
      throw error;
    }
  };
}

async function* watched<T>(messages: AsyncIterable<T>, span: Span): AsyncGenerator<T> {
  try {
    yield* messages;
    end(span);
  } catch (error) {
    end(span, error);
    throw error;
  } finally {
    end(span, new ConnectError('its reader left', Code.Canceled));
  }
}

/** Once. For a client, every code but OK is an error. */
function end(span: Span, error?: unknown): void {
  if (!span.isRecording()) return;
  const code = error === undefined ? undefined : ConnectError.from(error).code;
  span.setAttribute(ATTRIBUTE.rpcStatusCode, codeName(code));
  if (code !== undefined) {
    span.setAttribute(ATTRIBUTE.errorType, codeName(code));
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
