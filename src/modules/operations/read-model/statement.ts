import { CompiledQuery } from 'kysely';

/** A statement written by hand, and its rows. Its parameters are given where it is run. */
export const statement = <Row>(text: string): CompiledQuery<Row> => CompiledQuery.raw(text) as CompiledQuery<Row>;
