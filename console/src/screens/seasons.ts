import type { components } from '@scoreboard/client';
import { html, nothing, type TemplateResult } from 'lit';
import { changeSeason, endSeason } from '../acts/seasons.js';
import { call } from '../data/api.js';
import { firstPage, type Pages, withPage } from '../data/pages.js';
import { Resource } from '../data/resource.js';
import { session } from '../data/session.js';
import { Screen } from '../element.js';
import { number } from '../format.js';
import { type Act, ask } from '../parts/act-dialog.js';
import { empty, shown } from '../parts/states.js';
import { at } from '../parts/time.js';
import { complain } from '../parts/toasts.js';
import { href } from '../router.js';
import { texts } from '../texts.js';

type Season = components['schemas']['Season'];

const t = texts.seasons;

/** The seasons of a board, with their winners. */
class SeasonsScreen extends Screen {
  readonly #seasons = new Resource<Pages<Season>>(this, async (signal) =>
    firstPage(await this.#page(undefined, signal)),
  );

  #page(cursor?: string, signal?: AbortSignal) {
    const params = { path: { id: this.param('id') }, query: { limit: 20, cursor } };
    return call((http, signal) => http.GET('/v1/leaderboards/{id}/seasons', { params, signal }), signal);
  }

  protected override render() {
    const id = this.param('id');
    return html`<header class="heading"><div>
          <p class="crumb"><a href=${href('boards')}>${texts.boards.title}</a> · <a href=${href(`boards/${id}`)}>${id}</a></p>
          <h1 tabindex="-1">${t.title}</h1>
        </div>
        ${session.may('boards:write') ? html`<div class="buttons"><button type="button" class="button" @click=${() => this.#ask(endSeason(id, id))}>${t.end}</button></div>` : nothing}
      </header>
      ${shown(this.#seasons, (seasons) => (seasons.items.length === 0 ? empty(t.none) : this.#table(seasons)))}`;
  }

  #table({ items, next }: Pages<Season>): TemplateResult {
    const c = t.columns;
    return html`<div class="sheet"><table>
        <thead><tr><th scope="col">${c.season}</th><th scope="col">${c.state}</th><th scope="col" class="roomy">${c.starts}</th><th scope="col" class="roomy">${c.ends}</th>
          <th scope="col" class="number">${c.entries}</th><th scope="col" class="roomy">${c.first}</th><th scope="col" class="acts"><span class="unseen">${t.change}</span></th></tr></thead>
        <tbody>${items.map((season) => this.#row(season))}</tbody>
      </table></div>
      ${next ? html`<button type="button" class="button more" @click=${() => this.#more(next)}>${texts.more}</button>` : nothing}`;
  }

  #row({ season, label, state, startsAt, endsAt, entries, top }: Season): TemplateResult {
    const [first] = top;
    return html`<tr>
      <th scope="row">${label ?? texts.board.season(season)} ${label ? html`<small>${season}</small>` : nothing}</th>
      <td><span class="dot ${state === 'open' ? 'ok' : state === 'closing' ? 'waits' : ''}">${t.states[state]}</span></td>
      <td class="roomy soft">${startsAt ? at(startsAt) : t.always}</td>
      <td class="roomy soft">${endsAt ? at(endsAt) : texts.boards.byHand}</td>
      <td class="number">${number(entries)}</td>
      <td class="roomy"><bdi>${first?.displayName ?? ''}</bdi></td>
      <td class="acts">${session.may('boards:write') ? html`<button type="button" class="button small" aria-label="${t.change}: ${label ?? season}" @click=${() => this.#ask(changeSeason(this.param('id'), season, label))}>${t.change}</button>` : nothing}</td>
    </tr>`;
  }

  async #ask(act: Act): Promise<void> {
    if (await ask(act)) this.#seasons.refresh();
  }

  async #more(cursor: string): Promise<void> {
    try {
      const read = await this.#page(cursor);
      if (this.#seasons.value) this.#seasons.value = withPage(this.#seasons.value, read);
      this.requestUpdate();
    } catch (error) {
      complain(error);
    }
  }
}
customElements.define('seasons-screen', SeasonsScreen);
