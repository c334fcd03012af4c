import { html, nothing, type TemplateResult } from 'lit';
import { createWebhook } from '../acts/webhooks.js';
import { call } from '../data/api.js';
import { Resource } from '../data/resource.js';
import { session } from '../data/session.js';
import type { Webhook } from '../data/types.js';
import { Screen } from '../element.js';
import { ask } from '../parts/act-dialog.js';
import { secretOnce } from '../parts/secret-once.js';
import { empty, shown } from '../parts/states.js';
import { since } from '../parts/time.js';
import { href } from '../router.js';
import { texts } from '../texts.js';

const t = texts.webhooks;

/** Receivers of events. There are a hundred at most. */
class WebhooksScreen extends Screen {
  #secret: string | null = null;
  readonly #webhooks = new Resource(this, (signal) =>
    call(
      (http, signal) => http.GET('/v1/admin/webhooks', { params: { query: { limit: 100 } }, signal }),
      signal,
    ),
  );

  #show = (secret: string): void => {
    this.#secret = secret;
    this.#webhooks.refresh();
  };

  protected override render() {
    return html`<header class="heading"><h1 tabindex="-1">${t.title}</h1>
        ${session.may('boards:write') ? html`<div class="buttons"><button type="button" class="button" @click=${() => ask(createWebhook(this.#show))}>${t.add}</button></div>` : nothing}
      </header>
      ${this.#secret ? secretOnce(t.secretTitle, [[t.secret, this.#secret]], () => this.#forget()) : nothing}
      ${shown(this.#webhooks, ({ items }) => (items.length === 0 ? empty(t.none, t.noneText) : this.#table(items)))}`;
  }

  #forget(): void {
    this.#secret = null;
    this.requestUpdate();
  }

  #table(items: readonly Webhook[]): TemplateResult {
    const c = t.columns;
    return html`<div class="sheet"><table>
      <thead><tr><th scope="col">${c.url}</th><th scope="col" class="roomy">${c.events}</th><th scope="col">${c.state}</th><th scope="col" class="roomy">${c.created}</th></tr></thead>
      <tbody>${items.map(
        ({ id, url, events, disabledAt, createdAt }) => html`<tr>
          <th scope="row"><a href=${href(`webhooks/${id}`)}><bdi>${url}</bdi></a></th>
          <td class="roomy soft">${events.join(', ')}</td>
          <td>${disabledAt ? html`<span class="dot error">${t.off}</span>` : html`<span class="dot ok">${t.on}</span>`}</td>
          <td class="roomy soft">${since(createdAt)}</td>
        </tr>`,
      )}</tbody>
    </table></div>`;
  }
}
customElements.define('webhooks-screen', WebhooksScreen);
