/** Imports point one way. Each rule says why; `npm run check:imports` holds them. */
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

export default {
  forbidden: [
    rule('no-circular', 'Two files that need each other are one idea, or there is a third.', {}, { circular: true }),
    rule(
      'bus-knows-nobody',
      'src/kernel/bus knows no database, no server and no domain, so that it can be used without them.',
      { path: '^src/kernel/bus' },
      { path: '^src/(?!kernel/bus/)' },
    ),
    rule(
      'kernel-stands-alone',
      'The kernel is what others install: it knows no module, no command line and no application.',
      { path: '^src/kernel' },
      { path: '^src/(modules|cli|app|main)' },
    ),
    rule(
      'bus-has-no-infrastructure',
      'The same for packages: contracts and Connect types, nothing that does input or output.',
      { path: '^src/kernel/bus' },
      { path: 'node_modules', pathNot: 'node_modules/(@bufbuild/protobuf|@connectrpc/connect|neverthrow)/' },
    ),
    rule(
      'embedded-stands-alone',
      'The embedded PostgreSQL knows nothing of us: it is a product of its own.',
      { path: '^src/embedded-postgres' },
      { path: '^src/(?!embedded-postgres/)' },
    ),
    rule(
      'domain-is-pure',
      'Business rules are tested without anything: the domain imports itself, the reasons of its contract, the kernel, neverthrow and the collections of MikroORM.',
      { path: '^src/modules/[^/]+/domain' },
      {
        pathNot:
          '^src/modules/$1/domain|^src/modules/[^/]+/domain|^gen/[^/]+/v\\d+/reasons_pb\\.|^src/kernel/bus/|^node_modules/(neverthrow|@mikro-orm/core)/',
      },
    ),
    rule(
      'queries-do-not-decide',
      'A query answers from a read model. The domain belongs to commands.',
      { path: '^src/modules/[^/]+/(queries|read-model)' },
      { path: '^src/modules/[^/]+/(domain|commands|persistence)' },
    ),
    rule(
      'commands-do-not-read-models',
      'A command decides by the write model: a read model can be behind.',
      { path: '^src/modules/[^/]+/commands' },
      { path: '^src/modules/[^/]+/(queries|read-model|persistence)|^src/kernel/database' },
    ),
    rule(
      'modules-meet-by-contract',
      'Modules never import each other: they meet through events and contracts.',
      { path: '^src/modules/([^/]+)/' },
      { path: '^src/modules/(?!$1/)' },
    ),
    rule(
      'modules-know-no-door',
      'A handler cannot tell how it was called.',
      { path: '^src/modules' },
      { path: '^src/(app|main|cli)|^src/kernel/(config\\.ts|doors|middleware|telemetry)' },
    ),
    rule(
      'database-knows-no-caller',
      'The database serves the layers above it.',
      { path: '^src/kernel/(database|auth|command-log|telemetry)' },
      { path: '^src/kernel/(config\\.ts|doors|middleware)' },
    ),
    rule(
      'seals-are-made-of-rows-and-a-key',
      'What proves the log must be small enough to be read whole: it needs the database, the signing key and the kernel.',
      { path: '^src/kernel/command-log/seals' },
      { path: '^src/', pathNot: '^src/kernel/(command-log|database|background|bus)/|^src/kernel/auth/signing-key\\.ts$' },
    ),
    rule(
      'the-log-is-above-the-database',
      'The seals are made of what the database and the key are; neither knows that it is sealed.',
      { path: '^src/kernel/(database|auth)|^src/kernel/command-log/[^/]+$' },
      { path: '^src/kernel/command-log/seals' },
    ),
    rule(
      'middleware-knows-no-door',
      'The same chain runs behind every door.',
      { path: '^src/kernel/middleware' },
      { path: '^src/kernel/(config\\.ts|doors)' },
    ),
    rule(
      'doors-know-no-database',
      'A door turns bytes into a call of the bus and its answer into bytes.',
      { path: '^src/kernel/doors' },
      { path: '^src/kernel/(config\\.ts|database|auth)' },
    ),
    rule(
      'contracts-tell-themselves',
      'What is told about the contracts is made from them alone, so that it is the same in the repository and from a running service.',
      { path: '^src/kernel/contracts' },
      { path: '^src/', pathNot: '^src/kernel/(contracts|bus)/|^src/kernel/telemetry/code-name\\.ts$' },
    ),
    rule(
      'composition-at-the-top',
      'app.ts is the one file that knows every module; only the command line starts it.',
      { path: '^src/(?!main|cli|app)' },
      { path: '^src/app\\.ts' },
    ),
    rule(
      'spans-cost-nothing-unsent',
      'The SDK of OpenTelemetry takes a tenth of a second to load: `await import(…)` it where spans or metrics are sent. Types cost nothing.',
      { path: '^src/(?!kernel/telemetry/(sdk|resource|metrics/push)\\.ts$)' },
      {
        path: '^src/kernel/telemetry/(sdk|resource|metrics/push)\\.ts$|node_modules/@opentelemetry/(sdk|exporter|otlp|resources|instrumentation)',
        dynamic: false,
        dependencyTypesNot: ['type-only'],
      },
    ),
    rule(
      'production-stands-alone',
      'What is shipped runs without tests, benchmarks, scripts and the packages that only these need.',
      { path: '^(src|gen)/' },
      { path: '^(test|bench|scripts)/' },
    ),
    rule(
      'production-has-its-packages',
      'The same for packages: `npm ci --omit=dev` leaves out what is not in dependencies.',
      { path: '^(src|gen)/' },
      { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'clients-run-anywhere',
      'What clients import runs in browsers too: contracts, Connect, and parts of the kernel that do no input or output.',
      { path: '^src/client' },
      {
        path: '^src/|node_modules|^node:',
        pathNot:
          '^src/client/|^src/kernel/bus/(convention|bus-headers)\\.ts$|^src/kernel/contracts/(bus-metadata|retry-policy)\\.ts$|node_modules/(@bufbuild/protobuf|@connectrpc/connect)/',
      },
    ),
    rule(
      'testing-is-for-tests',
      'The test kit is a product beside the program: nothing that serves needs it, and it knows no module.',
      { path: '^src/(?!testing/)' },
      { path: '^src/testing/' },
    ),
    rule(
      'testing-knows-no-module',
      'The test kit tests any module.',
      { path: '^src/testing/' },
      { path: '^src/(modules|cli|app|main|domain)' },
    ),
    rule(
      'generated-code-is-a-leaf',
      'What is generated from the contracts imports nothing of ours.',
      { path: '^gen/' },
      { path: '^src/' },
    ),
    rule(
      'registries-are-for-modules',
      'A module reads its own list of handlers; everybody else asks the bus.',
      { pathNot: '^src/modules/[^/]+/module\\.ts$' },
      { path: '^src/modules/[^/]+/services\\.ts$' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // A copy of the project, as tests make it, shares node_modules by a link.
    preserveSymlinks: true,
    enhancedResolveOptions: { conditionNames: ['import', 'node', 'default', 'types'], extensions: ['.ts', '.js', '.d.ts'] },
    tsPreCompilationDeps: true,
    parser: 'swc',
  },
};
