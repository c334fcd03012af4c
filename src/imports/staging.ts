import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from } from 'pg-copy-streams';
import type { Queryable } from '../postgres/database.js';
import { toUuid } from '../stored-ids.js';
import type { ImportRow } from './import-row.js';

/** The table that has the rows of an import until they are counted: by itself, so that it can be dropped. */
export const tableOf = (id: string): string => `import_rows_${toUuid('imp', id)?.replaceAll('-', '')}`;

export const makeTable = (client: Queryable, id: string): Promise<unknown> =>
  client.query(`CREATE TABLE ${tableOf(id)} (LIKE import_rows INCLUDING ALL)`);

export const dropTable = (client: Queryable, id: string): Promise<unknown> =>
  client.query(`DROP TABLE IF EXISTS ${tableOf(id)}`);

/** @param achievedAt where a row does not say it */
export async function copyRows(
  client: pg.ClientBase,
  id: string,
  rows: readonly ImportRow[],
  achievedAt: string,
): Promise<void> {
  const lines = rows.map(
    ({ line, key, externalId, displayName, points, achievedAt: at = null, metadata }) =>
      `${line}\t${key}\t${escaped(externalId)}\t${escaped(displayName)}\t${points}\t${at ?? achievedAt}\t${escaped(metadata)}\n`,
  );
  const columns = 'line, row_key, external_id, display_name, points, achieved_at, metadata';
  const copy = client.query(from(`COPY ${tableOf(id)} (${columns}) FROM STDIN`));
  await pipeline([lines.join('')], copy);
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A text as COPY takes it. */
const escaped = (text: string | null): string =>
  text === null ? '\\N' : text.replaceAll(/[\\\n\r\t]/g, (sign) => ESCAPES[sign] ?? sign);
