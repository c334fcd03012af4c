import { html, nothing, type TemplateResult } from 'lit';
import { call } from '../data/api.js';
import type { VoidPreview } from '../data/types.js';
import { number } from '../format.js';
import type { Act } from '../parts/act-dialog.js';
import { texts } from '../texts.js';
import { undoAct } from './acts.js';
import type { Named } from './players.js';

const t = texts.acts.voidAll;
/** All times at which events can have been accepted. */
const EVER = { from: '1970-01-01T00:00:00.000Z', to: '2100-01-01T00:00:00.000Z' };
const MOST_MOVES = 5;

const voidEvents = (userId: string, reason: string, preview: boolean, signal?: AbortSignal) =>
  call(
    (http, signal) =>
      http.POST('/v1/admin/events/void', { body: { userId, ...EVER, reason, preview }, signal }),
    signal,
  );

function shownPreview({ events, boards }: VoidPreview): TemplateResult {
  return html`<p>${events === null ? t.many : t.events(number(events))}</p>
    ${
      boards === null
        ? nothing
        : boards.map(
            ({
              id,
              season,
              moves,
            }) => html`<p><b>${id}</b> <span class="soft">${texts.board.season(season)}</span></p>
              <ul class="lines">${moves.slice(0, MOST_MOVES).map(
                ({ displayName, from, to }) => html`<li>
                  <bdi>${displayName}</bdi><span class="end">${t.move(number(from), to === null ? null : number(to))}</span>
                </li>`,
              )}</ul>
              ${moves.length > MOST_MOVES ? html`<p class="soft">${t.more(number(moves.length - MOST_MOVES))}</p>` : nothing}`,
          )
    }`;
}

/** Voids all events of a player, and shows before what would become of the boards. */
export const voidAll = ({ id, displayName }: Named): Act => ({
  kind: 'void',
  title: t.title(displayName),
  explanation: t.text,
  confirm: t.confirm,
  isDangerous: true,
  reasons: texts.acts.reasons.cheat,
  preview: async (signal) => {
    const preview = await voidEvents(id, t.confirm, true, signal);
    return 'events' in preview ? shownPreview(preview) : html``;
  },
  run: async ({ reason = '' }) => {
    const act = await voidEvents(id, reason, false);
    if (!('id' in act)) return { said: t.done(displayName) };
    const said = act.state === 'running' ? t.begun(displayName) : t.done(displayName);
    return { said, undo: () => undoAct(act.id, texts.undo) };
  },
});
