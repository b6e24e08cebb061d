import { createRegistry, type DescFile } from '@bufbuild/protobuf';
import type { RoleDefinitions } from './auth/roles.ts';
import { accessRule } from './bus/access.ts';
import { registrationProblems } from './bus/bus.ts';
import { messageKind, methodName } from './bus/convention.ts';
import { declaredReads } from './bus/query.ts';
import { cacheProblems } from './cache/cache-rule.ts';
import { KERNEL_MIGRATIONS } from './database/kernel-migrations.ts';
import { migrationProblems } from './database/schema.ts';
import type { Module } from './module.ts';

/** The modules of a service do not fit together, its roles or its contracts; the message names each problem and what to do. */
export class ModulesInvalid extends Error {
  constructor(problems: readonly string[]) {
    super(`The modules cannot be served:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ModulesInvalid';
  }
}

/** What is checked of an application. */
export interface CheckedApplication {
  readonly modules: readonly Module[];
  readonly roles: RoleDefinitions;
  readonly permissions?: Readonly<Record<string, string>>;
}

/** Every permission that modules and the application declare, with what it permits. */
export function declaredPermissions({ modules, permissions = {} }: CheckedApplication): Readonly<Record<string, string>> {
  return Object.assign({}, ...modules.map((module) => module.permissions ?? {}), permissions);
}

/**
 * What keeps an application from being served as it is meant, found without a database: `npm run check` and the start both ask. `contracts`
 * are all files of its contracts.
 */
export function moduleProblems(application: CheckedApplication, contracts: Iterable<DescFile>): string[] {
  const { modules } = application;
  const lists = new Map([
    ['kernel', KERNEL_MIGRATIONS],
    ...modules.map(({ name, migrations = [] }) => [name, migrations] as const),
  ]);
  return [
    ...nameProblems(modules),
    ...serviceProblems(modules, contracts),
    ...registrationProblems(modules),
    ...permissionProblems(application),
    ...ownerProblems(modules),
    ...typeProblems(modules, [...contracts]),
    ...processorProblems(modules),
    ...cacheRuleProblems(modules),
    ...migrationProblems(lists),
  ];
}

/** Throws ModulesInvalid. */
export function checkModules(application: CheckedApplication, contracts: Iterable<DescFile>): void {
  const problems = moduleProblems(application, contracts);
  if (problems.length > 0) throw new ModulesInvalid(problems);
}

/** A module's own file, as it is named in what is to be done. */
const fileOf = (module: string): string => `src/modules/${module}/module.ts`;

/** The module that a contract belongs to, by its package. */
const moduleOf = (file: DescFile): string => file.proto.package.split('.')[0] ?? '';

/** They come with the kernel, and a service serves those that it wants. */
const STANDARD = ['users', 'audit', 'events', 'operations'];

function nameProblems(modules: readonly Module[]): string[] {
  const names = modules.map(({ name }) => name);
  const reserved = ['kernel', 'cqrs', 'read'];
  return [
    ...names
      .filter((name, index) => names.indexOf(name) !== index)
      .map((name) => `the module ${name} is listed twice in src/app.ts`),
    ...names
      .filter((name) => !/^[a-z][a-z0-9_]*$/.test(name) || reserved.includes(name))
      .map(
        (name) =>
          `${name} cannot be the name of a module, which is that of a schema too: letters in lower case, not ${reserved.join(', ')}`,
      ),
  ];
}

function serviceProblems(modules: readonly Module[], contracts: Iterable<DescFile>): string[] {
  const problems: string[] = [];
  const servedBy = new Map<string, string>();
  for (const { name, services } of modules) {
    for (const { service, kind } of services) {
      const other = servedBy.get(service.typeName);
      if (other !== undefined)
        problems.push(`${service.typeName} is served by the modules ${other} and ${name}: take it out of one`);
      servedBy.set(service.typeName, name);
      if (messageKind(service) !== kind)
        problems.push(
          `${service.typeName} is said to be of the kind ${kind} in services.ts of ${name}: run \`npm run generate\``,
        );
    }
  }
  for (const service of [...contracts].flatMap(({ services }) => services)) {
    const module = moduleOf(service.file);
    if (messageKind(service) === undefined || servedBy.has(service.typeName) || STANDARD.includes(module)) continue;
    problems.push(
      `no module serves ${service.typeName}: list the module ${module} of ${fileOf(module)} in src/app.ts, or take the contract out of proto/`,
    );
  }
  return problems;
}

function permissionProblems(application: CheckedApplication): string[] {
  const problems: string[] = [];
  const declared = declaredPermissions(application);
  const held = new Set(Object.values(application.roles).flatMap((held) => (held === 'all' ? Object.keys(declared) : held)));
  for (const [role, permissions] of Object.entries(application.roles)) {
    if (permissions === 'all') continue;
    for (const permission of permissions) {
      if (!Object.hasOwn(declared, permission))
        problems.push(
          `the role ${role} holds ${permission}, which no module declares: correct it in the roles of src/app.ts, or declare it in the \`permissions\` of a module`,
        );
    }
  }
  for (const permission of Object.keys(declared)) {
    if (!held.has(permission)) problems.push(`no role holds ${permission}: add it to a role in src/app.ts`);
  }
  for (const { name, services } of application.modules) {
    for (const method of services.flatMap(({ service }) => service.methods)) {
      const { permission = '' } = accessRule(method) ?? {};
      if (permission !== '' && !Object.hasOwn(declared, permission))
        problems.push(
          `${methodName(method)} asks for ${permission}, which no module declares: add it to the \`permissions\` of ${fileOf(name)}, or correct it in ${method.parent.file.name}.proto`,
        );
    }
  }
  return problems;
}

/** Whether what a module stores is said where others read it: an event that is not listed is shown without its content, for ever. */
function typeProblems(modules: readonly Module[], contracts: readonly DescFile[]): string[] {
  const problems: string[] = [];
  const aggregates = new Map<string, string>();
  for (const { name, aggregates: types = [], services, events = [] } of modules) {
    for (const type of types) {
      const other = aggregates.get(type.name);
      if (other !== undefined)
        problems.push(`the aggregate ${type.name} is in the modules ${other} and ${name}: take it out of one`);
      aggregates.set(type.name, name);
    }
    if (types.length > 0 && events.length === 0)
      problems.push(
        `the module ${name} has aggregates and lists no file of events: add \`events: [file_…_events]\` to ${fileOf(name)}`,
      );
    for (const file of contracts) {
      if (moduleOf(file) === name && file.name.endsWith('/events') && !events.some((listed) => listed.name === file.name))
        problems.push(
          `${file.name}.proto is not in the \`events\` of ${fileOf(name)}: what it holds would be shown without its content`,
        );
    }
    const packages = new Set(services.map(({ service }) => service.file.proto.package));
    for (const file of events) {
      if (packages.size > 0 && !packages.has(file.proto.package))
        problems.push(`${file.name}.proto in the \`events\` of ${fileOf(name)} is of the package of another module`);
    }
  }
  return problems;
}

/** A processor goes by the name of its projection, reactor or process manager, so that no two may share one; and it decodes what some module stores. */
function processorProblems(modules: readonly Module[]): string[] {
  const known = new Set(modules.flatMap(({ events = [] }) => events).flatMap(({ messages }) => messages.map(typeName)));
  const names = new Map<string, string>();
  return modules.flatMap(({ name: module, projections = [], reactors = [], processes = [] }) =>
    [
      ...projections.map(({ name, events }) => ({ kind: 'projection', name, events })),
      ...reactors.map(({ name, on }) => ({ kind: 'reactor', name, events: on.map(({ event }) => event) })),
      ...processes.map(({ name, on }) => ({ kind: 'process manager', name, events: on.map(({ event }) => event) })),
    ].flatMap(({ kind, name, events }) => {
      const other = names.get(name);
      names.set(name, module);
      const unknown = events.map(typeName).filter((type) => !known.has(type));
      return [
        ...(other === undefined
          ? []
          : [`the ${kind} ${name} has the name of another one, of the modules ${other} and ${module}: give one another name`]),
        ...unknown.map(
          (type) => `the ${kind} ${name} of ${fileOf(module)} takes ${type}, which is in the \`events\` of no module`,
        ),
      ];
    }),
  );
}

/** Whether what a contract says of the answers that may be kept can be done. */
function cacheRuleProblems(modules: readonly Module[]): string[] {
  const parts = { reads: declaredReads(modules), eventTypes: createRegistry(...modules.flatMap(({ events = [] }) => events)) };
  const methods = modules.flatMap(({ services }) => services.flatMap(({ service }) => service.methods));
  return methods.flatMap((method) => cacheProblems(method, parts));
}

const typeName = (message: { readonly typeName: string }): string => message.typeName;

/** Rules of the kind `owner` need a module that tells whose it is, and the other way round. */
function ownerProblems(modules: readonly Module[]): string[] {
  return modules.flatMap(({ name, services, owner = {} }) => {
    const named = new Map(
      services
        .flatMap(({ service }) => service.methods)
        .map((method) => [accessRule(method)?.owner ?? '', methodName(method)] as const),
    );
    named.delete('');
    const missing = [...named].filter(([field]) => !Object.hasOwn(owner, field));
    const unused = Object.keys(owner).filter((field) => !named.has(field));
    return [
      ...missing.map(
        ([field, method]) =>
          `${method} is for the owner of \`${field}\`: add \`owner: { ${field}: … }\` to ${fileOf(name)}, which tells whose it is`,
      ),
      ...unused.map((field) => `${fileOf(name)} tells the owner of \`${field}\`, and no access rule of the module names it`),
    ];
  });
}
