import { type IdPrefix, idFromWords, readIdWords } from './ids.js';

/**
 * A TypeID is a form of the edge: PostgreSQL stores its 128 bits as a `uuid`, and these functions are where one becomes the
 * other. A column holds ids of one kind, so its prefix is known. Both forms have the same order.
 */

const words = new Uint32Array(4);
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const hex16 = (bits: number): string => `${HEX[(bits >>> 8) & 255]}${HEX[bits & 255]}`;

/** An id as a parameter of a query. Null, which equals nothing, if the text is no id with this prefix. */
export function toUuid(prefix: IdPrefix, id: string): string | null {
  if (!readIdWords(prefix, id, words, 0)) return null;
  const [a = 0, b = 0, c = 0, d = 0] = words;
  const head = `${hex16(a >>> 16)}${hex16(a)}-${hex16(b >>> 16)}-${hex16(b)}`;
  return `${head}-${hex16(c >>> 16)}-${hex16(c)}${hex16(d >>> 16)}${hex16(d)}`;
}

export const toUuids = (prefix: IdPrefix, ids: readonly string[]): (string | null)[] =>
  ids.map((id) => toUuid(prefix, id));

/** A `uuid` of PostgreSQL as an id of the kind that its column holds. */
export function fromUuid(prefix: IdPrefix, uuid: string): string {
  words[0] = Number.parseInt(uuid.slice(0, 8), 16);
  words[1] = Number.parseInt(uuid.slice(9, 13) + uuid.slice(14, 18), 16);
  words[2] = Number.parseInt(uuid.slice(19, 23) + uuid.slice(24, 28), 16);
  words[3] = Number.parseInt(uuid.slice(28, 36), 16);
  return idFromWords(prefix, words, 0);
}

/** Makes ids of the columns that hold some, in the rows themselves. Null stays null. */
export function withIds<Row extends object>(
  rows: Row[],
  columns: Readonly<Partial<Record<keyof Row & string, IdPrefix>>>,
): Row[] {
  const kinds = Object.entries(columns) as [keyof Row & string, IdPrefix][];
  for (const row of rows) {
    for (const [column, prefix] of kinds) {
      const uuid = row[column];
      if (typeof uuid === 'string') Object.assign(row, { [column]: fromUuid(prefix, uuid) });
    }
  }
  return rows;
}
