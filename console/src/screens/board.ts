import { type Entry, type LiveView, subscribe } from '@scoreboard/client';
import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { freeze, unfreeze } from '../acts/boards.js';
import { deleteEntry } from '../acts/entries.js';
import { ban, setHidden } from '../acts/players.js';
import { call } from '../data/api.js';
import { Resource } from '../data/resource.js';
import { session } from '../data/session.js';
import type { Leaderboard } from '../data/types.js';
import { Screen } from '../element.js';
import { number, score } from '../format.js';
import { ask } from '../parts/act-dialog.js';
import { empty, rowsOfBones, shown } from '../parts/states.js';
import { at, since } from '../parts/time.js';
import { href } from '../router.js';
import { texts } from '../texts.js';

const t = texts.board;
const ROWS = 100;

/** One board as everybody sees it, live, with what can be done about each entry. */
class BoardScreen extends Screen {
  #view: LiveView | null = null;
  #unsubscribe = () => {};
  readonly #board = new Resource(this, (signal) =>
    call(
      (http, signal) =>
        http.GET('/v1/leaderboards/{id}', { params: { path: { id: this.param('id') } }, signal }),
      signal,
    ),
  );

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unsubscribe = subscribe(
      location.origin,
      this.param('id'),
      (view) => {
        const hasNewSeason = this.#view?.board && view.board && this.#view.board.season !== view.board.season;
        this.#view = view;
        if (hasNewSeason) this.#board.refresh();
        this.requestUpdate();
      },
      { limit: ROWS },
    );
    addEventListener('acted', this.#acted);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unsubscribe();
    removeEventListener('acted', this.#acted);
  }

  #acted = (): void => {
    this.#board.refresh();
  };

  protected override render() {
    const title = this.#board.value?.title ?? this.param('id');
    return html`<header class="heading">
        <div>
          <p class="crumb"><a href=${href('boards')}>${texts.boards.title}</a></p>
          <h1 tabindex="-1">${title}</h1>
        </div>
        ${this.#board.value ? this.#head(this.#board.value) : nothing}
      </header>
      ${shown(this.#board, (board) => this.#entries(board))}`;
  }

  #head(board: Leaderboard): TemplateResult {
    const state = this.#view?.state ?? 'connecting';
    const season = this.#view?.board?.season ?? board.season;
    const endsAt = this.#view?.board ? this.#view.board.seasonEndsAt : board.seasonEndsAt;
    return html`<p class="facts">
        <span class="dot ${state === 'open' ? 'ok' : state === 'closed' ? 'error' : 'waits'}">${t.states[state]}</span>
        ${board.frozenAt ? html`<span class="dot error">${texts.boards.frozen}</span>` : nothing}
        <span>${t.season(season)}${endsAt ? html` ${t.ends} ${since(endsAt)}` : nothing}</span>
        <span>${t.players(number(this.#view?.board?.total ?? board.entries))}</span>
      </p>
      <div class="buttons">
        <a class="button" href=${href(`boards/${board.id}/seasons`)}>${t.seasons}</a>
        ${session.may('boards:write') ? html`<a class="button" href=${href(`boards/${board.id}/settings`)}>${t.settings}</a>` : nothing}
        ${
          session.may('boards:write')
            ? html`<button type="button" class="button" @click=${() => ask(board.frozenAt ? unfreeze(board) : freeze(board))}>
                ${board.frozenAt ? t.unfreeze : t.freeze}
              </button>`
            : nothing
        }
      </div>`;
  }

  #entries(board: Leaderboard): TemplateResult {
    const live = this.#view?.board;
    if (!live) return rowsOfBones(10);
    if (live.items.length === 0) return empty(t.empty, t.emptyText);
    const c = t.columns;
    return html`<div class="sheet"><table class="entries">
        <thead><tr>
          <th scope="col" class="number rank">${c.rank}</th><th scope="col">${c.player}</th>
          <th scope="col" class="number">${c.score}</th><th scope="col" class="roomy">${c.at}</th>
          ${session.may('moderation') ? html`<th scope="col" class="acts"><span class="unseen">${c.acts}</span></th>` : nothing}
        </tr></thead>
        <tbody>
          ${repeat(
            live.items,
            ({ userId }) => userId,
            (entry) => this.#entry(entry, board),
          )}
        </tbody>
      </table></div>
      ${live.total > live.items.length ? html`<p class="note">${t.showing(number(live.items.length), number(live.total))}</p>` : nothing}`;
  }

  #entry(entry: Entry, board: Leaderboard): TemplateResult {
    const player = { id: entry.userId, displayName: entry.displayName };
    return html`<tr>
      <td class="number rank">${number(entry.rank)}</td>
      <th scope="row" class="who-cell">${session.may('users:read') ? html`<a href=${href(`players/${entry.userId}`)}><bdi>${entry.displayName}</bdi></a>` : html`<bdi>${entry.displayName}</bdi>`}</th>
      <td class="number score">${score(entry.score, this.#view?.board?.unit ?? board.unit)}</td>
      <td class="roomy soft">${at(entry.achievedAt)}</td>
      ${
        session.may('moderation')
          ? html`<td class="acts">
              <button type="button" class="button small" aria-label=${t.entryOf(entry.displayName)} @click=${() => ask(deleteEntry(player, board))}>${t.entry}</button>
              <button type="button" class="button small" aria-label=${t.hideOf(entry.displayName)} @click=${() => ask(setHidden(player, true))}>${t.hide}</button>
              <button type="button" class="button small" aria-label=${t.banOf(entry.displayName)} @click=${() => ask(ban(player))}>${t.ban}</button>
            </td>`
          : nothing
      }
    </tr>`;
  }
}
customElements.define('board-screen', BoardScreen);
