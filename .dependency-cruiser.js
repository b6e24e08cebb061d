/** Imports point one way. Each rule says why; `npm run check:imports` holds them. */
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

export default {
  forbidden: [
    rule('no-circular', 'Two files that need each other are one idea, or there is a third.', {}, { circular: true }),
    rule(
      'kernel-knows-nobody',
      'src/cqrs is the kernel: it knows no database, no server and no domain, so that it can be used without them.',
      { path: '^src/cqrs' },
      { path: '^src/(?!cqrs/)' },
    ),
    rule(
      'kernel-has-no-infrastructure',
      'The same for packages: contracts and Connect types, nothing that does input or output.',
      { path: '^src/cqrs' },
      { path: 'node_modules', pathNot: 'node_modules/(@bufbuild/protobuf|@connectrpc/connect|neverthrow)/' },
    ),
    rule(
      'embedded-stands-alone',
      'The embedded PostgreSQL knows nothing of us: it is a product of its own.',
      { path: '^src/postgres/embedded' },
      { path: '^src/(?!postgres/embedded/)' },
    ),
    rule(
      'domain-is-pure',
      'Business rules are tested without anything: the domain imports itself, the kernel and neverthrow.',
      { path: '^src/modules/[^/]+/domain' },
      { pathNot: '^src/modules/$1/domain|^src/modules/[^/]+/domain|^src/cqrs/|^node_modules/neverthrow/' },
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
      { path: '^src/modules/[^/]+/(queries|read-model|persistence)|^src/postgres' },
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
      { path: '^src/(app|main|cli|config|transport|middleware|telemetry)' },
    ),
    rule(
      'database-knows-no-caller',
      'src/postgres serves the layers above it.',
      { path: '^src/(postgres|auth|audit|telemetry)' },
      { path: '^src/(app|main|cli|config|transport|middleware|modules)' },
    ),
    rule(
      'seals-are-made-of-rows-and-a-key',
      'What proves the log must be small enough to be read whole: it needs the database, the signing key and the kernel.',
      { path: '^src/audit' },
      { path: '^src/', pathNot: '^src/(audit|postgres|cqrs)/|^src/auth/signing-key\\.ts$' },
    ),
    rule(
      'the-log-is-above-the-database',
      'The seals are made of what the database and the key are; neither knows that it is sealed.',
      { path: '^src/(postgres|auth)' },
      { path: '^src/audit' },
    ),
    rule(
      'middleware-knows-no-door',
      'The same chain runs behind every door.',
      { path: '^src/middleware' },
      { path: '^src/(app|main|cli|config|transport|modules)' },
    ),
    rule(
      'doors-know-no-database',
      'A door turns bytes into a call of the bus and its answer into bytes.',
      { path: '^src/transport' },
      { path: '^src/(app|main|cli|config|postgres|modules|auth)' },
    ),
    rule(
      'contracts-tell-themselves',
      'What is told about the contracts is made from them alone, so that it is the same in the repository and from a running service.',
      { path: '^src/contracts' },
      { path: '^src/', pathNot: '^src/(contracts|cqrs)/|^src/telemetry/code-name\\.ts$' },
    ),
    rule(
      'composition-at-the-top',
      'app.ts and domain.ts are the files that know every concrete part; only the command line starts them.',
      { path: '^src/(?!main|cli|app)' },
      { path: '^src/(app|domain)\\.ts' },
    ),
    rule(
      'spans-cost-nothing-unsent',
      'The SDK of OpenTelemetry takes a tenth of a second to load: `await import(…)` it where spans or metrics are sent. Types cost nothing.',
      { path: '^src/(?!telemetry/(sdk|resource|metrics/push)\\.ts$)' },
      {
        path: '^src/telemetry/(sdk|resource|metrics/push)\\.ts$|node_modules/@opentelemetry/(sdk|exporter|otlp|resources|instrumentation)',
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
      'generated-code-is-a-leaf',
      'Contracts import nothing of ours; a registry (gen/handlers) imports the handlers it lists.',
      { path: '^gen/(?!handlers/)' },
      { path: '^src/' },
    ),
    rule(
      'registries-are-for-modules',
      'A module reads its own registry; everybody else asks the bus.',
      { pathNot: '^src/modules/[^/]+/module\\.ts$' },
      { path: '^gen/handlers/' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { conditionNames: ['import', 'node', 'default', 'types'], extensions: ['.ts', '.js', '.d.ts'] },
    tsPreCompilationDeps: true,
    parser: 'swc',
  },
};
