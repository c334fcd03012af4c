import { html, nothing, type TemplateResult } from 'lit';
import { changeWebhook, deleteWebhook, disable, rotateWebhook } from '../acts/webhooks.js';
import { call } from '../data/api.js';
import { Resource } from '../data/resource.js';
import { session } from '../data/session.js';
import type { Webhook, WebhookDelivery } from '../data/types.js';
import { Screen } from '../element.js';
import { type Act, ask } from '../parts/act-dialog.js';
import { secretOnce } from '../parts/secret-once.js';
import { shown } from '../parts/states.js';
import { at, since } from '../parts/time.js';
import { complain, say } from '../parts/toasts.js';
import { go, href } from '../router.js';
import { texts } from '../texts.js';

const t = texts.webhook;
const EVERY_MS = 5_000;

/** One receiver, and what became of the events for it. */
class WebhookScreen extends Screen {
  #secret: string | null = null;
  readonly #webhook = new Resource(
    this,
    async (signal) => {
      const path = { id: this.param('id') };
      const [webhook, { items }] = await Promise.all([
        call((http, signal) => http.GET('/v1/admin/webhooks/{id}', { params: { path }, signal }), signal),
        call(
          (http, signal) =>
            http.GET('/v1/admin/webhooks/{id}/deliveries', {
              params: { path, query: { limit: 50 } },
              signal,
            }),
          signal,
        ),
      ]);
      return { webhook, deliveries: items };
    },
    { everyMs: EVERY_MS },
  );

  #show = (secret: string): void => {
    this.#secret = secret;
    this.requestUpdate();
  };

  protected override render() {
    const webhook = this.#webhook.value?.webhook;
    return html`<header class="heading"><div>
          <p class="crumb"><a href=${href('webhooks')}>${texts.webhooks.title}</a></p>
          <h1 tabindex="-1"><bdi>${webhook?.url ?? t.title}</bdi></h1>
        </div>
        ${webhook && session.may('boards:write') ? this.#acts(webhook) : nothing}
      </header>
      ${this.#secret ? secretOnce(texts.webhooks.secretTitle, [[texts.webhooks.secret, this.#secret]], () => this.#forget()) : nothing}
      ${shown(this.#webhook, ({ webhook, deliveries }) => html`${this.#facts(webhook)}${this.#deliveries(deliveries)}`)}`;
  }

  #forget(): void {
    this.#secret = null;
    this.requestUpdate();
  }

  #acts(webhook: Webhook): TemplateResult {
    const button = (title: string, act: Act, look = '') =>
      html`<button type="button" class="button ${look}" @click=${() => this.#ask(act)}>${title}</button>`;
    return html`<div class="buttons">
      ${webhook.disabledAt ? nothing : html`<button type="button" class="button" @click=${() => this.#test(webhook)}>${t.test}</button>`}
      ${button(t.change, changeWebhook(webhook))}
      ${button(webhook.disabledAt ? texts.webhooks.enable : texts.webhooks.disable, disable(webhook))}
      ${button(texts.webhooks.rotate, rotateWebhook(webhook, this.#show))}
      <button type="button" class="button bad" @click=${() => this.#delete(webhook)}>${texts.webhooks.delete}</button>
    </div>`;
  }

  async #ask(act: Act): Promise<void> {
    if (await ask(act)) this.#webhook.refresh();
  }

  async #delete(webhook: Webhook): Promise<void> {
    if (await ask(deleteWebhook(webhook))) go(href('webhooks'));
  }

  async #test({ id }: Webhook): Promise<void> {
    try {
      await call((http, signal) =>
        http.POST('/v1/admin/webhooks/{id}/test', { params: { path: { id } }, signal }),
      );
      say({ said: t.tested });
      this.#webhook.refresh();
    } catch (error) {
      complain(error);
    }
  }

  async #again({ id }: WebhookDelivery): Promise<void> {
    try {
      const params = { path: { id: this.param('id') } };
      await call((http, signal) =>
        http.POST('/v1/admin/webhooks/{id}/replay', { params, body: { deliveries: [id] }, signal }),
      );
      say({ said: t.triedAgain });
      this.#webhook.refresh();
    } catch (error) {
      complain(error);
    }
  }

  #facts({ events, format, createdAt, disabledAt }: Webhook): TemplateResult {
    return html`<p class="facts spaced">
      ${disabledAt ? html`<span class="dot error">${texts.webhooks.off}</span>` : html`<span class="dot ok">${texts.webhooks.on}</span>`}
      <span>${events.join(', ')}</span><span>${format}</span><span>${at(createdAt)}</span>
    </p>`;
  }

  #deliveries(deliveries: readonly WebhookDelivery[]): TemplateResult {
    if (deliveries.length === 0) return html`<p class="soft">${t.none}</p>`;
    const c = t.columns;
    const look = { delivered: 'ok', waiting: 'waits', dead: 'error' } as const;
    return html`<div class="sheet"><table>
      <thead><tr><th scope="col">${c.type}</th><th scope="col">${c.state}</th><th scope="col" class="number roomy">${c.tries}</th><th scope="col" class="roomy">${c.answer}</th><th scope="col">${c.at}</th><th scope="col" class="acts"><span class="unseen">${t.again}</span></th></tr></thead>
      <tbody>${deliveries.map(
        (delivery) => html`<tr>
          <th scope="row">${delivery.type}</th>
          <td><span class="dot ${look[delivery.state]}">${t.states[delivery.state]}</span></td>
          <td class="number roomy">${delivery.tries}</td>
          <td class="roomy soft">${delivery.status ?? delivery.error ?? ''}</td>
          <td class="soft">${since(delivery.at)}</td>
          <td class="acts">${
            delivery.state !== 'waiting' && session.may('boards:write')
              ? html`<button type="button" class="button small" aria-label="${t.again}: ${delivery.type}" @click=${() => this.#again(delivery)}>${t.again}</button>`
              : nothing
          }</td>
        </tr>`,
      )}</tbody>
    </table></div>`;
  }
}
customElements.define('webhook-screen', WebhookScreen);
