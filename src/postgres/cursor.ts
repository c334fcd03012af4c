import type { Queryable } from './database.js';

const ROWS = 5_000;

/** Reads the result of a query a page at a time, in the transaction of the client. One cursor has a name at a time. */
export async function* pages<Row extends object>(
  client: Queryable,
  name: string,
  sql: string,
  values: unknown[],
): AsyncGenerator<readonly Row[], void> {
  await client.query(`DECLARE ${name} NO SCROLL CURSOR FOR ${sql}`, values);
  for (;;) {
    const { rows } = await client.query<Row>(`FETCH ${ROWS} FROM ${name}`);
    if (rows.length > 0) yield rows;
    if (rows.length < ROWS) break;
  }
  await client.query(`CLOSE ${name}`);
}

/** Pages of rows that are ordered by user, as rows of one user after the other. */
export class ByUser<Row extends { readonly userId: string }> {
  readonly #pages: AsyncGenerator<readonly Row[], void>;
  #page: readonly Row[] = [];
  #at = 0;

  constructor(pages: AsyncGenerator<readonly Row[], void>) {
    this.#pages = pages;
  }

  /** The user of the next row; undefined if there is none. */
  async nextUser(): Promise<string | undefined> {
    if (this.#at === this.#page.length) {
      this.#page = (await this.#pages.next()).value ?? [];
      this.#at = 0;
    }
    return this.#page[this.#at]?.userId;
  }

  /** Takes the next rows as long as they are of this user. */
  async takeAll(userId: string, take: (row: Row) => void): Promise<void> {
    while ((await this.nextUser()) === userId) {
      for (; this.#page[this.#at]?.userId === userId; this.#at++) {
        const row = this.#page[this.#at];
        if (row !== undefined) take(row);
      }
    }
  }
}
