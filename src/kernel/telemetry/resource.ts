import cluster from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { detectResources, envDetector, hostDetector, type Resource, resourceFromAttributes } from '@opentelemetry/resources';
import { version } from '../contracts/version.ts';

/** What this process is, as what it sends says: which service, which version, which instance. The variables `OTEL_*` come first. */
export function resourceOf(serviceName: string): Resource {
  const named = resourceFromAttributes({ 'service.name': serviceName, 'service.version': version() });
  const known = named.merge(detectResources({ detectors: [hostDetector, envDetector] }));
  // Workers have the same environment, and are instances of their own.
  const given = known.attributes['service.instance.id'];
  const id = given === undefined ? randomUUID() : cluster.worker ? `${given}/${cluster.worker.id}` : given;
  return known.merge(resourceFromAttributes({ 'service.instance.id': id }));
}
