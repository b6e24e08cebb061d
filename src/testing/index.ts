/**
 * Given, when, then, for aggregates, for handlers in memory, and for a service with its database. See docs/testing.md.
 *
 * @module bicameral/testing
 */
export { type Caller, nobody } from './caller.ts';
export { ExpectationFailed } from './check.ts';
export { answered, anything, type Expectation, nothing, refused, state } from './expectation.ts';
export { fold, type Happened } from './fold.ts';
export { given, type Recording } from './given.ts';
export { type InMemory, type InMemoryOptions, type InMemoryTools, inMemory, type Preparation } from './in-memory.ts';
export { prepareMappings } from './mappings.ts';
export { type Unique, unique } from './memory/memory-store.ts';
export { type MemoryUnitOfWork, NoSqlInMemory } from './memory/memory-unit-of-work.ts';
export type { HistoricEvent, Outcome, PlainEvent, Refusal, StoredAggregate } from './outcome.ts';
export {
  type Answering,
  answers,
  cancelled,
  ended,
  type Reacting,
  type Remembering,
  reacting,
  refuses,
  remembers,
  timer,
} from './reacting.ts';
export { type Done, done, type Rpc, type Scenario, type SentScenario } from './scenario.ts';
export { startTestService } from './service/start-test-service.ts';
export { setUpTestCluster, startTestCluster, type TestCluster, tearDownTestCluster } from './service/test-cluster.ts';
export type { TestDatabase } from './service/test-database.ts';
export type { TestService, TestServiceOptions } from './service/test-service.ts';
export { TEST_TIME, testId } from './test-ids.ts';
