import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { type BoardKey, parseBoardKey } from './board-key.js';
import { instantOrNull } from './clock.js';
import { invalid, Problem, SEASON_GONE } from './errors.js';
import { type Span, spanOf } from './span.js';

const MAC_BYTES = 12;

/** Where a page of a board ended, or began if it leads back; the board is the text of its key. */
const EntryCursor = Type.Object({
  board: Type.String(),
  userId: Type.String(),
  score: Type.Integer(),
  achievedAt: Type.Integer(),
  back: Type.Optional(Type.Literal(true)),
});
export type EntryCursor = Static<typeof EntryCursor>;

/** Behind which id a page of another list ended, and of which list. */
const ListCursor = Type.Object({ list: Type.String(), after: Type.String() });
type ListCursor = Static<typeof ListCursor>;

interface ListPage<T> {
  readonly items: T[];
  readonly nextCursor: string | null;
}

/** Where a search stands: behind what has this time, in milliseconds since 1970, and this id, as it is stored. */
const Position = Type.Object({ at: Type.Integer(), id: Type.String() });
export type Position = Static<typeof Position>;

/** Behind which position a page of a search ended, of which search, and since when it looks. */
const SearchCursor = Type.Object({
  search: Type.String(),
  from: Type.Union([Type.Integer(), Type.Null()]),
  behind: Position,
});
type SearchCursor = Static<typeof SearchCursor>;

/** What a search has found, and where it goes on, which it may have to before it has found enough. Null if there is nothing more. */
export interface Found<T> {
  readonly items: T[];
  readonly rest: Position | null;
}

/** The first of what was found: one more than these was asked for, so as to know whether there are more. */
export function firstOf<T extends Position>({ items, rest }: Found<T>, limit: number): Found<T> {
  const first = items.slice(0, limit);
  const last = first.at(-1);
  return items.length > limit && last
    ? { items: first, rest: { at: last.at, id: last.id } }
    : { items, rest };
}

/**
 * Cursors are opaque to callers: what they hold is signed, so a forged one is recognised rather than obeyed, and it works
 * on every instance that has the same secret.
 */
export class Cursors {
  readonly #key: Buffer;
  readonly #previousKey: Buffer | undefined;

  /** Cursors made with `previousSecret` are taken too, so that a rotation does not cut anybody's list short. */
  constructor(secret: string, previousSecret?: string) {
    this.#key = keyOf(secret);
    this.#previousKey = previousSecret === undefined ? undefined : keyOf(previousSecret);
  }

  encode(content: EntryCursor | ListCursor | SearchCursor): string {
    const json = Buffer.from(JSON.stringify(content));
    return Buffer.concat([mac(json, this.#key), json]).toString('base64url');
  }

  /**
   * @param isCurrent whether the season of the board was not asked for, but is the current one
   * @throws Problem `validation-failed` if the cursor is not one of ours, or of another list; `season-changed` if the season of its
   * list is no longer the current one
   */
  entryCursor(cursor: string, board: BoardKey, isCurrent = true): EntryCursor {
    const content = this.#decode(EntryCursor, cursor);
    if (content?.board === board.text) return content;
    const of = parseBoardKey(content?.board ?? '');
    if (!isCurrent || of?.leaderboard !== board.leaderboard) throw forged();
    const detail = `The cursor is of season ${of.season}, and the current one is ${board.season}. Begin again, or ask for "?season=${of.season}".`;
    throw new Problem(SEASON_GONE.code, detail, SEASON_GONE);
  }

  /**
   * A page of a list in the order of ids. `read` gives up to `limit` items behind the one with the id `after`.
   * @param list which list it is, with all that it was asked for: a cursor goes on with the same question
   * @throws Problem `validation-failed` if the cursor is not one of ours, or of another list
   */
  async page<T>(
    list: string,
    { limit, cursor }: { limit: number; cursor?: string },
    read: (limit: number, after: string | null) => Promise<T[]>,
    idOf: (item: T) => string,
  ): Promise<ListPage<T>> {
    // One more item shows whether there is a next page.
    const of = shortened(list);
    const found = await read(limit + 1, cursor === undefined ? null : this.#after(cursor, of));
    const items = found.slice(0, limit);
    const last = found.length > limit ? items.at(-1) : undefined;
    return { items, nextCursor: last === undefined ? null : this.encode({ list: of, after: idOf(last) }) };
  }

  /**
   * A page of a search in a span of time, and the span. `read` looks behind a position, or from the newest on.
   * @param what which search it is, with all that it was asked for but the span
   * @param days how far it reaches back if the query does not say; null is without end. All pages begin then.
   * @throws Problem `validation-failed` if the times make no span, or the cursor is not one of ours, or of another search
   */
  async search<T>(
    what: string,
    query: { readonly from?: string; readonly to?: string; readonly cursor?: string },
    days: number | null,
    read: (span: Span, behind: Position | null) => Promise<Found<T>>,
  ): Promise<ListPage<T> & { readonly from: string | null; readonly to: string | null }> {
    const asked = spanOf(query, days);
    // One value for one moment, however it is written.
    const search = [shortened(what), query.from && asked.from, asked.to].join(' ');
    const begun = query.cursor === undefined ? null : this.#decode(SearchCursor, query.cursor);
    if (begun === undefined || (begun !== null && begun.search !== search)) throw forged();
    const span = begun === null ? asked : { from: begun.from, to: asked.to };
    const { items, rest } = await read(span, begun?.behind ?? null);
    const nextCursor = rest && this.encode({ search, from: span.from, behind: rest });
    return { items, nextCursor, from: instantOrNull(span.from), to: instantOrNull(span.to) };
  }

  #after(cursor: string, list: string): string {
    const content = this.#decode(ListCursor, cursor);
    if (content?.list !== list) throw forged();
    return content.after;
  }

  #decode<T extends TSchema>(schema: T, cursor: string): Static<T> | undefined {
    const bytes = Buffer.from(cursor, 'base64url');
    // Decoding overlooks what is not base64url.
    if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor) return undefined;
    const json = bytes.subarray(MAC_BYTES);
    const signedWith = (key: Buffer) => timingSafeEqual(bytes.subarray(0, MAC_BYTES), mac(json, key));
    if (!signedWith(this.#key) && !(this.#previousKey && signedWith(this.#previousKey))) return undefined;
    const content: unknown = JSON.parse(json.toString());
    return Value.Check(schema, content) ? content : undefined;
  }
}

const MAX_QUESTION = 150;
/** A question that fits into a cursor: one with long texts by its hash. */
const shortened = (question: string): string =>
  question.length <= MAX_QUESTION ? question : createHash('sha256').update(question).digest('base64url');

const keyOf = (secret: string) => Buffer.from(hkdfSync('sha256', secret, '', 'scoreboard-api cursors', 32));
const mac = (json: Buffer, key: Buffer) =>
  createHmac('sha256', key).update(json).digest().subarray(0, MAC_BYTES);

const forged = () => invalid('/cursor', 'is not a cursor of this list');
