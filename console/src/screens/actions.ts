import { html, type TemplateResult } from 'lit';
import { call } from '../data/api.js';
import { Resource } from '../data/resource.js';
import { session } from '../data/session.js';
import type { Action } from '../data/types.js';
import { Screen } from '../element.js';
import { number } from '../format.js';
import { empty, shown } from '../parts/states.js';
import { href } from '../router.js';
import { texts } from '../texts.js';

const t = texts.actions;

/** All actions. */
class ActionsScreen extends Screen {
  readonly #actions = new Resource(this, (signal) =>
    call((http, signal) => http.GET('/v1/actions', { signal }), signal),
  );

  protected override render() {
    return html`<header class="heading"><h1 tabindex="-1">${t.title}</h1>
        ${session.may('boards:write') ? html`<div class="buttons"><a class="button" href=${href('actions/new')}>${t.add}</a></div>` : ''}
      </header>
      ${shown(this.#actions, ({ items }) => (items.length === 0 ? empty(t.none, t.noneText) : this.#table(items)))}`;
  }

  #table(items: readonly Action[]): TemplateResult {
    const c = t.columns;
    return html`<div class="sheet"><table>
      <thead><tr>
        <th scope="col">${c.title}</th><th scope="col" class="number">${c.points}</th>
        <th scope="col" class="roomy">${c.boards}</th><th scope="col">${c.issuer}</th>
      </tr></thead>
      <tbody>
        ${items.map(
          ({ id, title, points, leaderboards, issuer }) => html`<tr>
            <th scope="row">${session.may('boards:write') ? html`<a href=${href(`actions/${id}`)}>${title}</a>` : title} <small>${id}</small></th>
            <td class="number">${points.min === points.max ? number(points.min) : t.range(number(points.min), number(points.max))}</td>
            <td class="roomy">${leaderboards.map((board, i) => html`${i > 0 ? ', ' : ''}<a href=${href(`boards/${board}`)}>${board}</a>`)}</td>
            <td>${t.issuers[issuer]}</td>
          </tr>`,
        )}
      </tbody>
    </table></div>`;
  }
}
customElements.define('actions-screen', ActionsScreen);
