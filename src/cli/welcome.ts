import type { Config } from '../kernel/config.ts';
import type { Application, Service } from '../kernel/service.ts';

/** What listens where, and what to paste first. The same lines stand in the README. */
export function welcome(
  { name, modules }: Pick<Application, 'name' | 'modules'>,
  { config, ports: app }: { config: Config; ports: Pick<Service, 'grpcPort' | 'httpPort' | 'healthPort' | 'metricsPort'> },
): string {
  const scheme = config.tls ? 'https' : 'http';
  const grpc = withPort(config.grpcAddress, app.grpcPort);
  const http = `${scheme}://${withPort(config.httpAddress, app.httpPort)}`;
  const health =
    config.healthAddress && app.healthPort
      ? `\n    health    http://${withPort(config.healthAddress, app.healthPort)}/readyz`
      : '';
  const metrics =
    config.metricsAddress && app.metricsPort
      ? `\n    metrics   http://${withPort(config.metricsAddress, app.metricsPort)}/metrics`
      : '';
  const curl = config.tls ? `curl -s --cacert ${config.tls.certFile}` : 'curl -s';
  const json = "-H 'content-type: application/json'";
  const database =
    config.database.kind === 'embedded'
      ? `PostgreSQL primary and replica in ${config.database.dataDir}`
      : 'PostgreSQL at DATABASE_URL';
  const firstCalls = modules.some((module) => module.name === 'users')
    ? `Create a user, log in, read the user, list the services:

${curl} ${http}/users.v1.CommandService/CreateUser ${json} -d '{"email":"ada@example.org","name":"Ada Lovelace","password":"seven green lamps hum"}'; echo
LOGIN=$(${curl} ${http}/users.v1.CommandService/LogIn ${json} -d '{"email":"ada@example.org","password":"seven green lamps hum"}'); TOKEN=$(echo "$LOGIN" | sed 's/.*"accessToken":"\\([^"]*\\)".*/\\1/'); USER_ID=$(echo "$LOGIN" | sed 's/.*"user":{"id":"\\([^"]*\\)".*/\\1/')
${curl} ${http}/users.v1.QueryService/GetUser ${json} -H "authorization: Bearer $TOKEN" -d "{\\"userId\\":\\"$USER_ID\\"}"; echo`
    : 'List the services:\n';
  return `
  ${name.charAt(0).toUpperCase()}${name.slice(1)} is serving.

    gRPC      ${grpc}
    Connect   ${http}${health}${metrics}
    data      ${database}

  ${firstCalls}
npx buf curl ${config.tls ? `--cacert ${config.tls.certFile}` : '--http2-prior-knowledge'} --protocol grpc --list-services ${scheme}://${grpc}

`;
}

const withPort = (address: string, port: number): string => address.replace(/:\d+$/, `:${port}`);
