const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** What cannot name a variable in a module of TypeScript (ECMA-262, 12.7.2, and what strict code adds). */
export const TYPESCRIPT_KEYWORDS = words(`
  any arguments async await boolean break case catch class const constructor continue debugger default delete do else enum eval export
  extends false finally for function if implements import in infinity instanceof interface let nan never new null number object package
  private protected public return static string super switch symbol this throw true try type typeof undefined unknown var void while
  with yield
`);

/** Classes that code of an aggregate uses under these names. */
export const GLOBALS = words(`
  Array BigInt Boolean Buffer Command Date Error Event Function Map Number Object Promise Proxy Query Reflect Result Set String Symbol
  Timestamp
`);

/** Words with a meaning in a .proto file where a name may stand (the specification of proto3, and the scalar types). */
export const PROTOBUF_KEYWORDS = words(`
  bool bytes double edition enum export extend extensions false fixed32 fixed64 float group import inf int32 int64 local map max
  message nan oneof option optional package public repeated required reserved returns rpc service sfixed32 sfixed64 sint32 sint64
  stream string syntax to true uint32 uint64 weak
`);

/** The words that PostgreSQL 18 reserves, also those that may name functions and types (appendix C of its manual). */
export const SQL_KEYWORDS = words(`
  all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column concurrently
  constraint create cross current_catalog current_date current_role current_schema current_time current_timestamp current_user default
  deferrable desc distinct do else end except false fetch for foreign freeze from full grant group having ilike in initially inner
  intersect into is isnull join lateral leading left like limit localtime localtimestamp natural not notnull null offset on only or
  order outer overlaps placing primary references returning right select session_user similar some symmetric system_user table
  tablesample then to trailing true union unique user using variadic verbose when where window with
`);
