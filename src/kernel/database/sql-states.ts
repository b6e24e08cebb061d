/**
 * What an error of PostgreSQL means to the call that met it:
 *
 * - `conflict`: it lost against another transaction and may be run again.
 * - `unavailable`: the database cannot do it now, whoever asks; it can be sent again later.
 * - `overloaded`: the database has too much to do.
 * - `damaged`: what this database holds, or the server itself, is broken. Another copy may answer; on the primary, sending it again
 *   helps nobody, and somebody has to look.
 * - `defect`: the statement is wrong. It is for the log, not for the caller.
 */
export type SqlMeaning = 'conflict' | 'unavailable' | 'overloaded' | 'damaged' | 'defect';

/** Every class of PostgreSQL 18 (manual, appendix A). */
const CLASSES: Readonly<Record<string, SqlMeaning>> = {
  '00': 'defect', // successful completion
  '01': 'defect', // warning
  '02': 'defect', // no data
  '03': 'defect', // SQL statement not yet complete
  '08': 'unavailable', // connection exception
  '09': 'defect', // triggered action exception
  '0A': 'defect', // feature not supported
  '0B': 'defect', // invalid transaction initiation
  '0F': 'defect', // locator exception
  '0L': 'defect', // invalid grantor
  '0P': 'defect', // invalid role specification
  '0Z': 'defect', // diagnostics exception
  '10': 'defect', // XQuery error
  '20': 'defect', // case not found
  '21': 'defect', // cardinality violation
  '22': 'defect', // data exception: what callers send is checked before
  '23': 'defect', // integrity constraint violation: the aggregate's own were translated before
  '24': 'defect', // invalid cursor state
  '25': 'defect', // invalid transaction state
  '26': 'unavailable', // invalid SQL statement name: a pooler lost what was prepared
  '27': 'defect', // triggered data change violation
  '28': 'unavailable', // invalid authorization specification: the database no longer lets the program in
  '2B': 'defect', // dependent privilege descriptors still exist
  '2D': 'defect', // invalid transaction termination
  '2F': 'defect', // SQL routine exception
  '34': 'defect', // invalid cursor name
  '38': 'defect', // external routine exception
  '39': 'defect', // external routine invocation exception
  '3B': 'defect', // savepoint exception
  '3D': 'unavailable', // invalid catalog name: the database is gone, or not there yet
  '3F': 'defect', // invalid schema name
  '40': 'conflict', // transaction rollback
  '42': 'defect', // syntax error or access rule violation
  '44': 'defect', // WITH CHECK OPTION violation
  '53': 'unavailable', // insufficient resources
  '54': 'defect', // program limit exceeded
  '55': 'defect', // object not in prerequisite state
  '57': 'unavailable', // operator intervention
  '58': 'unavailable', // system error: errors external to PostgreSQL itself
  '72': 'conflict', // snapshot failure, up to PostgreSQL 16
  F0: 'unavailable', // configuration file error
  HV: 'defect', // foreign data wrapper error
  P0: 'defect', // PL/pgSQL error
  XX: 'damaged', // internal error
};

/** Those that mean something else than their class. */
const STATES: Readonly<Record<string, SqlMeaning>> = {
  '25006': 'unavailable', // read_only_sql_transaction: the primary was demoted
  '25P03': 'unavailable', // idle_in_transaction_session_timeout
  '25P04': 'unavailable', // transaction_timeout
  '40003': 'unavailable', // statement_completion_unknown
  '42501': 'unavailable', // insufficient_privilege: rights were taken from the program's role, as in class 28
  '53200': 'overloaded', // out_of_memory
  '53300': 'overloaded', // too_many_connections
  '53400': 'overloaded', // configuration_limit_exceeded
  '55006': 'conflict', // object_in_use
  '55P03': 'conflict', // lock_not_available
  '58P01': 'damaged', // undefined_file
  '58P02': 'damaged', // duplicate_file
};

/** Tells an SQLSTATE from an errno: no class of PostgreSQL begins with E. */
export function isSqlState(code: string): boolean {
  return /^[0-9A-DF-Z][0-9A-Z]{4}$/.test(code);
}

/** A class that is not known is a defect: of a newer PostgreSQL, or raised by a function of our own. */
export function meaningOfSqlState(state: string): SqlMeaning {
  return STATES[state] ?? CLASSES[state.slice(0, 2)] ?? 'defect';
}

/** After these, a session that goes on as it is fails again: a demoted primary, a plan or a name that went stale, a damaged backend. */
const SESSION_IS_SPENT = /^(25006|25P0\d|26000|0A000|42P05|08...|53[12]00|57P..|58...|XX...)$/;

/** Whether the session can be used for another call after an error of a statement. An error that ended it (FATAL) does not come here. */
export function leavesSessionUsable(state: string): boolean {
  return !SESSION_IS_SPENT.test(state);
}

/**
 * Whether the error speaks against the server it came from, so that queries should go elsewhere for a while: it, its data, or the
 * rights that the program has there (42501), which are those of the role that its URL names.
 */
export function speaksAgainstServer(state: string): boolean {
  return /^(53|58|XX|42501$)/.test(state);
}
