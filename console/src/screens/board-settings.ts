import { type components, ScoreboardError } from '@scoreboard/client';
import { html, nothing, type TemplateResult } from 'lit';
import { call } from '../data/api.js';
import { rulesIn } from '../data/board-form.js';
import { Resource } from '../data/resource.js';
import type { Leaderboard } from '../data/types.js';
import { Screen } from '../element.js';
import { textIn } from '../parts/fields.js';
import { scheduleFields } from '../parts/schedule-fields.js';
import { explain, shown } from '../parts/states.js';
import { at } from '../parts/time.js';
import { say } from '../parts/toasts.js';
import { go, href } from '../router.js';
import { texts } from '../texts.js';

type Planned = components['schemas']['PlannedLeaderboard'];

const t = texts.settings;
/** After the last change, in milliseconds. */
const PAUSE_MS = 400;

/** Makes or changes a board, and shows when its seasons will be before it is saved. */
class BoardSettingsScreen extends Screen {
  #error: ScoreboardError | null = null;
  #planned: Planned | null = null;
  #planError: ScoreboardError | null = null;
  #isSaving = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = new AbortController();
  readonly #board = new Resource(this, async (signal) => {
    const { id } = this.place.params;
    if (id === undefined) return { board: undefined };
    const board = await call(
      (http, signal) => http.GET('/v1/leaderboards/{id}', { params: { path: { id } }, signal }),
      signal,
    );
    return { board };
  });

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
    this.#asked.abort();
  }

  protected override render() {
    const board = this.#board.value?.board;
    return html`<header class="heading"><div>
        <p class="crumb"><a href=${href('boards')}>${texts.boards.title}</a>${board ? html` · <a href=${href(`boards/${board.id}`)}>${board.title}</a>` : nothing}</p>
        <h1 tabindex="-1">${this.place.params['id'] === undefined ? texts.boards.add : t.title}</h1>
      </div></header>
      ${shown(this.#board, ({ board }) => this.#form(board))}`;
  }

  #form(board: Leaderboard | undefined): TemplateResult {
    const option = (value: string, title: string, chosen: string | undefined) =>
      html`<option value=${value} ?selected=${value === chosen}>${title}</option>`;
    return html`<div class="columns"><form class="form card" @submit=${this.#submit} @input=${this.#changed}>
        ${
          board
            ? nothing
            : html`<div class="field"><label for="board-id">${t.id}</label>
          <input id="board-id" name="id" required pattern="[a-z0-9][a-z0-9\\-]{0,62}" autocomplete="off" spellcheck="false" aria-describedby="board-id-hint">
          <p class="hint" id="board-id-hint">${texts.slugHint}</p></div>`
        }
        <div class="field"><label for="board-title">${t.name}</label><input id="board-title" name="title" required maxlength="100" .value=${board?.title ?? ''}></div>
        <div class="pair">
          <div class="field"><label for="board-sort">${t.sort}</label><select id="board-sort" name="sort">
            ${option('desc', t.sorts.desc, board?.sort)}${option('asc', t.sorts.asc, board?.sort)}</select></div>
          <div class="field"><label for="board-operator">${t.operator}</label><select id="board-operator" name="operator">
            ${Object.entries(t.operators).map(([value, title]) => option(value, title, board?.operator))}</select></div>
        </div>
        <div class="pair">
          <div class="field"><label for="board-limit">${t.limit}</label><input id="board-limit" name="maxPointsPerMinute" type="number" min="1" .value=${String(board?.maxPointsPerMinute ?? '')}></div>
          <div class="field"><label for="board-keep">${t.keep}</label><input id="board-keep" name="keepSeasons" type="number" min="1" .value=${String(board?.keepSeasons ?? '')}></div>
        </div>
        <label class="check"><input type="checkbox" name="hidden" ?checked=${board?.hidden ?? false}>${t.hidden}</label>
        ${scheduleFields(board?.schedule)}
        <div class="field"><label for="board-reason">${texts.reasonOptional}</label><input id="board-reason" name="reason" maxlength="500" autocomplete="off"></div>
        ${this.#error ? html`<p class="bad" role="alert">${this.#failure(this.#error)}</p>` : nothing}
        <div class="buttons"><button class="button strong" ?disabled=${this.#isSaving}>${this.#isSaving ? texts.working : texts.save}</button></div>
      </form>
      <section class="card plan" aria-labelledby="plan-title"><h2 id="plan-title">${t.plan}</h2><div aria-live="polite">${this.#plan()}</div></section>
    </div>`;
  }

  #plan(): TemplateResult {
    if (this.#planError) return html`<p class="bad">${explain(this.#planError)}</p>`;
    if (this.#planned === null) return html`<p class="soft">${t.planHint}</p>`;
    if (this.#planned.preview.length === 0) return html`<p class="soft">${t.noPlan}</p>`;
    return html`<ol class="lines">${this.#planned.preview.map(
      ({ season, label, startsAt, endsAt }) => html`<li>
        <b>${label ?? texts.board.season(season)}</b>
        <span class="end">${at(startsAt)} – ${endsAt ? at(endsAt) : t.open}</span>
      </li>`,
    )}</ol>`;
  }

  #failure(error: ScoreboardError): string {
    return error.code === 'revision-changed' ? t.changedMeanwhile : explain(error);
  }

  override updated(): void {
    // The plan of the board as it is.
    if (this.#board.value?.board && !this.#planned && !this.#planError && this.#timer === undefined)
      this.#changed();
  }

  #changed = (): void => {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#try(), PAUSE_MS);
    this.requestUpdate();
  };

  /** Asks what would be, without doing it. */
  async #try(): Promise<void> {
    const form = this.querySelector('form');
    if (form === null) return;
    this.#asked.abort();
    const asked = new AbortController();
    this.#asked = asked;
    const data = new FormData(form);
    const board = this.#board.value?.board;
    const path = { id: board?.id ?? (textIn(data, 'id') || 'new') };
    const body = { ...rulesIn(data, board), title: textIn(data, 'title') || t.name };
    try {
      this.#planned = await call(
        (http, signal) =>
          http.PUT('/v1/admin/leaderboards/{id}', {
            params: { path, query: { dryRun: true } },
            body,
            signal,
          }),
        asked.signal,
      );
      this.#planError = null;
    } catch (error) {
      if (asked.signal.aborted) return;
      if (!(error instanceof ScoreboardError)) throw error;
      this.#planError = error;
    }
    this.requestUpdate();
  }

  #submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (!(event.target instanceof HTMLFormElement) || this.#isSaving) return;
    const data = new FormData(event.target);
    const board = this.#board.value?.board;
    const id = board?.id ?? textIn(data, 'id');
    const body = rulesIn(data, board);
    const header = board ? { 'if-match': `"${board.revision}"` } : {};
    this.#isSaving = true;
    this.#error = null;
    this.requestUpdate();
    try {
      await call((http, signal) =>
        http.PUT('/v1/admin/leaderboards/{id}', { params: { path: { id }, header }, body, signal }),
      );
      say({ said: t.saved(body.title) });
      go(href(`boards/${id}`));
    } catch (error) {
      if (!(error instanceof ScoreboardError)) throw error;
      this.#error = error;
    } finally {
      this.#isSaving = false;
      this.requestUpdate();
    }
  };
}
customElements.define('board-settings-screen', BoardSettingsScreen);
