import { randomUUIDv7 } from 'node:crypto';
import { create, type DescMethod } from '@bufbuild/protobuf';
import { Answer } from '../../kernel/bus/answer.ts';
import { Call } from '../../kernel/bus/call.ts';
import { messageKind } from '../../kernel/bus/convention.ts';
import { CommandAttempt } from '../../kernel/command-log/command-attempt.ts';
import type { Connection } from '../../kernel/database/connection.ts';
import type { AggregateType } from '../../kernel/database/write/aggregate-type.ts';
import type { UnitOfWork } from '../../kernel/database/write/unit-of-work.ts';
import { createWriteSide } from '../../kernel/database/write/write-side.ts';
import type { Module } from '../../kernel/module.ts';
import { aggregateTypesOf } from '../../kernel/start/modules.ts';
import { deepCopy } from '../deep-copy.ts';

/** Stores and loads aggregates of a service's database as its commands do: with their events, their read models and a record. */
export interface Aggregates {
  readonly types: readonly AggregateType<object>[];
  readonly store: (aggregate: object) => Promise<void>;
  readonly load: <A extends object>(type: AggregateType<A>, id: string) => Promise<A | undefined>;
  readonly close: () => Promise<void>;
}

export async function openAggregates(writer: Connection, modules: readonly Module[]): Promise<Aggregates> {
  const types = aggregateTypesOf(modules);
  // Whose personal data it is, is not found again: the key of these digests is the service's.
  const side = await createWriteSide(writer, types, { poolSize: 2, ownerDigest: () => Buffer.alloc(0) });

  async function inCommand<T>(type: AggregateType<object>, act: (work: UnitOfWork) => T, isKept: boolean): Promise<Awaited<T>> {
    const method = commandOf(modules, type);
    const call = new Call({
      method,
      request: create(method.input),
      origin: { door: 'in-process', peer: '', deadline: undefined, requestMethod: 'POST' },
      header: () => new Headers(),
      id: randomUUIDv7(),
    });
    const attempt = new CommandAttempt(call, { dryRun: false });
    const work = side.unitOfWork(call, attempt.startTry());
    try {
      const result = await act(work);
      if (isKept) await work.commit(attempt.ending(new Answer(method, create(method.output))));
      return result;
    } finally {
      await work.rollback();
    }
  }

  return {
    types,
    async store(aggregate) {
      const type = types.find(({ mapping }) => aggregate instanceof (mapping.meta.class as unknown as new () => object));
      if (!type) throw new TypeError(`${aggregate.constructor.name} is none of the aggregates of the modules`);
      await inCommand(type, (work) => work.add(type, deepCopy(aggregate)), true);
    },
    load: (type, id) =>
      inCommand(type as unknown as AggregateType<object>, (work) => work.find(type, id), false) as Promise<undefined>,
    close: side.close,
  };
}

/** A command of the module that has the aggregate: the record of what is given is under its name. */
function commandOf(modules: readonly Module[], type: AggregateType<object>): DescMethod {
  const module = modules.find(({ aggregates = [] }) => aggregates.some(({ name }) => name === type.name));
  const commands = module?.services.find(({ service }) => messageKind(service) === 'command')?.service;
  const [method] = commands?.methods ?? [];
  if (!method) throw new TypeError(`no module with commands has ${type.name}`);
  return method;
}
