import { html, type TemplateResult } from 'lit';
import { call } from '../data/api.js';
import { firstPage, type Pages, withPage } from '../data/pages.js';
import { Resource } from '../data/resource.js';
import { session } from '../data/session.js';
import type { Leaderboard } from '../data/types.js';
import { Screen } from '../element.js';
import { number } from '../format.js';
import { empty, shown } from '../parts/states.js';
import { since } from '../parts/time.js';
import { complain } from '../parts/toasts.js';
import { href } from '../router.js';
import { texts } from '../texts.js';

const t = texts.boards;
const page = (cursor: string | undefined, signal?: AbortSignal) =>
  call(
    (http, signal) =>
      http.GET('/v1/admin/leaderboards', { params: { query: { limit: 100, cursor } }, signal }),
    signal,
  );

/** All boards. */
class BoardsScreen extends Screen {
  readonly #boards = new Resource<Pages<Leaderboard>>(this, async (signal) =>
    firstPage(await page(undefined, signal)),
  );

  protected override render() {
    return html`<header class="heading"><h1 tabindex="-1">${t.title}</h1>
        ${session.may('boards:write') ? html`<div class="buttons"><a class="button" href=${href('boards/new')}>${t.add}</a></div>` : ''}</header>
      ${shown(this.#boards, (boards) => (boards.items.length === 0 ? empty(t.none, t.noneText) : this.#table(boards)))}`;
  }

  #table({ items, next }: Pages<Leaderboard>): TemplateResult {
    const c = t.columns;
    return html`<div class="sheet"><table>
        <thead><tr>
          <th scope="col">${c.title}</th><th scope="col" class="number">${c.entries}</th>
          <th scope="col" class="number roomy">${c.season}</th><th scope="col" class="roomy">${c.ends}</th><th scope="col">${c.state}</th>
        </tr></thead>
        <tbody>
          ${items.map(
            (board) => html`<tr>
              <th scope="row"><a href=${href(`boards/${board.id}`)}>${board.title}</a> <small>${board.id}</small></th>
              <td class="number">${number(board.entries)}</td>
              <td class="number roomy">${board.season}</td>
              <td class="roomy">${board.seasonEndsAt ? since(board.seasonEndsAt) : html`<span class="soft">${t.byHand}</span>`}</td>
              <td>${board.frozenAt ? html`<span class="dot error">${t.frozen}</span>` : html`<span class="dot ok">${t.open}</span>`}</td>
            </tr>`,
          )}
        </tbody>
      </table></div>
      ${next ? html`<button type="button" class="button more" @click=${() => this.#more(next)}>${texts.more}</button>` : ''}`;
  }

  async #more(cursor: string): Promise<void> {
    try {
      const read = await page(cursor);
      if (this.#boards.value) this.#boards.value = withPage(this.#boards.value, read);
      this.requestUpdate();
    } catch (error) {
      complain(error);
    }
  }
}
customElements.define('boards-screen', BoardsScreen);
