import { html, nothing, type TemplateResult } from 'lit';
import { createAccount, revokeAccount, rotateAccount } from '../acts/accounts.js';
import { call } from '../data/api.js';
import { firstPage, type Pages, withPage } from '../data/pages.js';
import { Resource } from '../data/resource.js';
import { session } from '../data/session.js';
import type { ServiceAccount } from '../data/types.js';
import { Screen } from '../element.js';
import { ask } from '../parts/act-dialog.js';
import { secretOnce } from '../parts/secret-once.js';
import { empty, shown } from '../parts/states.js';
import { since } from '../parts/time.js';
import { complain } from '../parts/toasts.js';
import { texts } from '../texts.js';

const t = texts.accounts;
const page = (cursor?: string, signal?: AbortSignal) =>
  call(
    (http, signal) =>
      http.GET('/v1/admin/service-accounts', { params: { query: { limit: 50, cursor } }, signal }),
    signal,
  );

/** The logins of game servers and scripts. */
class AccountsScreen extends Screen {
  #secret: { id: string; secret: string } | null = null;
  readonly #accounts = new Resource<Pages<ServiceAccount>>(this, async (signal) =>
    firstPage(await page(undefined, signal)),
  );

  #show = (id: string, secret: string): void => {
    this.#secret = { id, secret };
    this.#accounts.refresh();
  };

  protected override render() {
    return html`<header class="heading"><h1 tabindex="-1">${t.title}</h1>
        ${session.may('boards:write') ? html`<div class="buttons"><button type="button" class="button" @click=${() => ask(createAccount(this.#show))}>${t.add}</button></div>` : nothing}
      </header>
      ${
        this.#secret
          ? secretOnce(
              t.secretTitle,
              [
                [t.clientId, this.#secret.id],
                [t.secret, this.#secret.secret],
              ],
              () => this.#forget(),
            )
          : nothing
      }
      ${shown(this.#accounts, (accounts) => (accounts.items.length === 0 ? empty(t.none, t.noneText) : this.#table(accounts)))}`;
  }

  #forget(): void {
    this.#secret = null;
    this.requestUpdate();
  }

  #table({ items, next }: Pages<ServiceAccount>): TemplateResult {
    const c = t.columns;
    return html`<div class="sheet"><table>
        <thead><tr><th scope="col">${c.name}</th><th scope="col" class="roomy">${c.scopes}</th><th scope="col">${c.used}</th><th scope="col" class="acts"><span class="unseen">${c.acts}</span></th></tr></thead>
        <tbody>${items.map((account) => this.#row(account))}</tbody>
      </table></div>
      ${next ? html`<button type="button" class="button more" @click=${() => this.#more(next)}>${texts.more}</button>` : nothing}`;
  }

  #row(account: ServiceAccount): TemplateResult {
    const { name, id, role, scopes, lastUsedAt, revokedAt } = account;
    return html`<tr>
      <th scope="row">${name} ${revokedAt ? html`<span class="mark bad">${t.isRevoked}</span>` : nothing}<div class="mono soft">${id}</div></th>
      <td class="roomy soft">${role ?? scopes.join(', ')}</td>
      <td>${lastUsedAt ? since(lastUsedAt) : texts.never}</td>
      <td class="acts">${
        revokedAt || !session.may('boards:write')
          ? nothing
          : html`<button type="button" class="button small" aria-label="${t.rotate}: ${name}" @click=${() => ask(rotateAccount(account, this.#show))}>${t.rotate}</button>
              <button type="button" class="button small bad" aria-label="${t.revoke}: ${name}" @click=${() => this.#ask(account)}>${t.revoke}</button>`
      }</td>
    </tr>`;
  }

  async #ask(account: ServiceAccount): Promise<void> {
    if (await ask(revokeAccount(account))) this.#accounts.refresh();
  }

  async #more(cursor: string): Promise<void> {
    try {
      const read = await page(cursor);
      if (this.#accounts.value) this.#accounts.value = withPage(this.#accounts.value, read);
      this.requestUpdate();
    } catch (error) {
      complain(error);
    }
  }
}
customElements.define('accounts-screen', AccountsScreen);
