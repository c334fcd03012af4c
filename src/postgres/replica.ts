import type pg from 'pg';
import { CircuitBreaker } from '../circuit-breaker.js';
import type { Queryable } from './database.js';
import { isDatabaseUnavailable } from './errors.js';

/** How long the primary answers instead after the replica has failed, in milliseconds. */
const REST_MS = 2_000;

/** Answers reads that tolerate lag: from the replica, and from the primary while the replica is away or lags too much. */
export class Replica implements Queryable {
  readonly #replica: pg.Pool;
  readonly #primary: pg.Pool;
  readonly #lag: { readonly isShort: boolean };
  readonly #onError: (error: unknown) => void;
  readonly #breaker = new CircuitBreaker(REST_MS);

  constructor(
    replica: pg.Pool,
    primary: pg.Pool,
    lag: { readonly isShort: boolean },
    onError: (error: unknown) => void,
  ) {
    this.#replica = replica;
    this.#primary = primary;
    this.#lag = lag;
    this.#onError = onError;
  }

  async query<R extends pg.QueryResultRow>(
    text: string | pg.QueryConfig,
    values?: unknown[],
  ): Promise<pg.QueryResult<R>> {
    if (this.#breaker.isOpen || !this.#lag.isShort) return this.#primary.query<R>(text, values);
    try {
      return await this.#replica.query<R>(text, values);
    } catch (error) {
      // On any error: a replica also cancels queries that read what the primary has just vacuumed, and lags behind
      // migrations.
      if (isDatabaseUnavailable(error)) this.#breaker.trip();
      this.#onError(error);
      return this.#primary.query<R>(text, values);
    }
  }
}
