import assert from 'node:assert/strict';
import { Import } from '../../schemas/import.js';
import { type Answer, type Api, eventually } from '../api.js';

/** A row of a file, by column. */
export type Line = Readonly<Record<string, string | number>>;

/** Rows with the same columns as a file. */
export function csvOf(lines: readonly Line[]): string {
  const columns = Object.keys(lines[0] ?? { externalId: '', score: 0 });
  const rows = lines.map((line) => columns.map((column) => quoted(`${line[column] ?? ''}`)).join(','));
  return `${[columns.join(','), ...rows].join('\n')}\n`;
}

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

export const send = (admin: Api, query: string, body: RequestInit['body']): Promise<Answer> =>
  admin.send('POST', `/v1/admin/imports?${query}`, { body, headers: { 'content-type': 'text/csv' } });

/** Sends a file, and waits until its rows are counted. */
export async function bring(admin: Api, query: string, body: RequestInit['body']): Promise<Import> {
  return over(admin, (await send(admin, query, body)).is(202, Import).id);
}

/** A ceiling for a machine that has much else to do. */
const LONGEST_MS = 180_000;

export const over = (admin: Api, id: string): Promise<Import> =>
  eventually(async () => {
    const found = (await admin.get(`/v1/admin/imports/${id}`)).is(200, Import);
    assert(found.endedAt !== null);
    return found;
  }, LONGEST_MS);
