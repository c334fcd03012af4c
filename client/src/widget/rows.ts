import { html, nothing, type TemplateResult } from 'lit';
import type { Board } from '../live/subscription.js';
import type { Formats } from './language.js';

/** A row of the table. The name of a user below the top may still be unknown, and empty. */
export type Row = Pick<Board['items'][number], 'rank' | 'userId' | 'displayName' | 'score'>;

export interface Look {
  readonly formats: Formats;
  /** The user whose row is highlighted. */
  readonly user: string;
  /** The text beside that user's name. */
  readonly you: string;
}

/** Roles are explicit, because a table with another CSS display loses them. Counting writes the scores. */
export const rowOf = ({ rank, userId, displayName, score }: Row, { formats, user, you }: Look) => {
  const own = userId === user;
  const medal = rank <= 3 ? `medal medal-${rank}` : '';
  return html`<tr role="row" class="entry ${own ? 'own' : ''}" part="row ${own ? 'own' : ''} row-${rank}"
      aria-current=${own ? 'true' : nothing}>
    <td role="cell" class="rank" part="rank"><span class=${medal} part=${medal}>${formats.number(rank)}</span></td>
    <th role="rowheader" scope="row" class="name" part="name">
      <span dir="auto" title=${displayName}>${displayName || you}</span>${
        own && displayName ? html`<em part="you" dir="auto">${you}</em>` : nothing
      }</th>
    <td role="cell" class="score" part="score" title=${formats.number(score)}><bdi></bdi></td>
  </tr>`;
};

/** Placeholders of the same height as entries, shown while the board loads. */
export const placeholders = (count: number) =>
  Array.from(
    { length: count },
    () =>
      html`<tr aria-hidden="true" class="bone"><td class="rank"><i></i></td><td class="name"><i></i></td><td class="score"><i></i></td></tr>`,
  );

/** One cell as wide as the table. */
export const line = (className: string, content: string | TemplateResult) =>
  html`<tr role="row" class=${className}><td role="cell" colspan="3" aria-colspan="3" part=${className}>${content}</td></tr>`;
