import { html, nothing, type TemplateResult } from 'lit';
import type { Board } from '../live/subscription.js';
import type { Formats } from './language.js';
import type { Texts } from './languages.js';
import { fill } from './texts.js';

type Entry = Board['items'][number];

/** Which rank stands beside an entry: its own, the one that it shares with equal scores (1, 2, 2, 4), or without gaps (1, 2, 2, 3). */
export type Ranks = 'unique' | 'shared' | 'dense';

/** A row of the table. The name of a user below the top may still be unknown, and empty. */
export interface Row
  extends Pick<Entry, 'rank' | 'sharedRank' | 'userId' | 'displayName' | 'score' | 'metadata'> {
  /** The rank to show; null where it is not known. */
  readonly shownRank: number | null;
}

/** The rank to show of an entry alone. How many different scores are above it is not known. */
export const shownRankOf = (
  { rank, sharedRank }: { readonly rank: number | null; readonly sharedRank: number | null },
  ranks: Ranks,
): number | null => ({ unique: rank, shared: sharedRank, dense: null })[ranks];

/** The rows of entries from the top on. */
export function rowsOf(entries: readonly Entry[], ranks: Ranks): Row[] {
  let dense = 0;
  return entries.map((entry, i) => {
    if (entry.score !== entries[i - 1]?.score) dense++;
    return { ...entry, shownRank: ranks === 'dense' ? dense : shownRankOf(entry, ranks) };
  });
}

export interface Look {
  readonly formats: Formats;
  /** The user whose row is highlighted. */
  readonly user: string;
  readonly texts: Pick<Texts, 'you' | 'up' | 'down' | 'isNew'>;
  /** The key of the metadata that has a column; empty if there is none. */
  readonly column: string;
  /** By how many ranks an entry has risen since an earlier time; null if it is new, undefined if that is not shown or not known. */
  readonly movementOf: (row: Row) => number | null | undefined;
}

/** Roles are explicit, because a table with another CSS display loses them. Counting writes the scores. */
export const rowOf = (row: Row, look: Look) => {
  const { rank, shownRank, userId, displayName, score, metadata } = row;
  const {
    formats,
    user,
    texts: { you },
    column,
  } = look;
  const own = userId === user;
  const medal = shownRank !== null && shownRank <= 3 ? `medal medal-${shownRank}` : '';
  const rankText = shownRank === null ? '' : formats.number(shownRank);
  return html`<tr role="row" class="entry ${own ? 'own' : ''}" part="row ${own ? 'own' : ''} row-${rank}"
      aria-current=${own ? 'true' : nothing}>
    <td role="cell" class="rank" part="rank"><span class=${medal} part=${medal}>${rankText}</span>${arrowOf(look.movementOf(row), look)}</td>
    <th role="rowheader" scope="row" class="name" part="name">
      <span dir="auto" title=${displayName}>${displayName || you}</span>${
        own && displayName ? html`<em part="you" dir="auto">${you}</em>` : nothing
      }</th>
${
  column === ''
    ? nothing
    : html`<td role="cell" class="column" part="column"
            ><slot name="column-${userId}"><span dir="auto">${textOf(metadata?.[column], formats)}</span></slot></td>`
}
    <td role="cell" class="score" part="score" title=${formats.wholeScore(score)}><bdi></bdi></td>
  </tr>`;
};

/** An arrow with a number, whose text is also the tooltip. The style sheet draws it: a picture has no other text. */
function arrowOf(movement: number | null | undefined, { formats, texts }: Look) {
  if (movement === null) return html`<em part="moved new" dir="auto">${texts.isNew}</em>`;
  if (!movement) return nothing;
  const way = movement > 0 ? 'up' : 'down';
  const count = Math.abs(movement);
  const text = formats.number(count);
  const title = fill(texts[way], { count: text }, formats.language, count);
  return html`<i class=${way} part="moved ${way}" role="img" title=${title}>${text}</i>`;
}

/** Text and numbers of metadata as they are; a mark for what is true. */
function textOf(value: string | number | boolean | undefined, { number }: Formats): string {
  if (typeof value === 'number') return number(value);
  return value === true ? '✓' : value || '';
}

/** Placeholders of the same height as entries, shown while the board loads. */
export const placeholders = (count: number, column: string) =>
  Array.from(
    { length: count },
    () =>
      html`<tr aria-hidden="true" class="bone"><td class="rank"><i></i></td><td class="name"><i></i></td>${
        column === '' ? nothing : html`<td class="column"></td>`
      }<td class="score"><i></i></td></tr>`,
  );

/** One cell as wide as the table. */
export const line = (className: string, content: string | TemplateResult, column: string) => {
  const width = column === '' ? 3 : 4;
  return html`<tr role="row" class=${className}><td role="cell" colspan=${width} aria-colspan=${width} part=${className}>${content}</td></tr>`;
};
