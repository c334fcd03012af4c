import { html, type TemplateResult } from 'lit';
import type { Player } from '../data/types.js';
import { texts } from '../texts.js';
import { at } from './time.js';

const t = texts.players;

/** What is unusual about a player. */
export const playerMarks = ({
  bannedAt,
  bannedUntil,
  hiddenAt,
  nameLocked,
  erasedAt,
}: Player): TemplateResult => html`
  <span class="marks">
    ${erasedAt ? html`<span class="mark">${t.erased}</span>` : ''}
    ${bannedAt ? html`<span class="mark bad">${t.banned}${bannedUntil ? html` ${t.until} ${at(bannedUntil)}` : ''}</span>` : ''}
    ${hiddenAt ? html`<span class="mark bad">${t.hidden}</span>` : ''}
    ${nameLocked ? html`<span class="mark">${t.nameLocked}</span>` : ''}
  </span>`;
