import { html, nothing, type TemplateResult } from 'lit';
import { undoAct } from '../acts/acts.js';
import { call } from '../data/api.js';
import { firstPage, type Pages, withPage } from '../data/pages.js';
import { Resource } from '../data/resource.js';
import { session } from '../data/session.js';
import type { AuditEntry } from '../data/types.js';
import { Screen } from '../element.js';
import { fromLocal } from '../format.js';
import { ask } from '../parts/act-dialog.js';
import { actor, actTitle } from '../parts/act-lines.js';
import { empty, shown } from '../parts/states.js';
import { at } from '../parts/time.js';
import { complain } from '../parts/toasts.js';
import { go, href } from '../router.js';
import { texts } from '../texts.js';

const t = texts.audit;
/** After the last key, in milliseconds. */
const PAUSE_MS = 300;
/** What a target is, by how its id begins. */
const PLACES: Readonly<Record<string, string>> = { usr_: 'players', whk_: 'webhooks' };

/** To unfreeze a board needs more than to judge. */
const mayUndo = ({ action }: AuditEntry): boolean =>
  session.may('moderation') && (action !== 'freeze-leaderboard' || session.may('boards:write'));

/** What administrators did, and why. */
class AuditScreen extends Screen {
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #acts = new Resource<Pages<AuditEntry>>(this, async (signal) =>
    firstPage(await this.#page(undefined, signal)),
  );

  #given(name: string): string {
    return this.place.query.get(name) ?? '';
  }

  #page(cursor?: string, signal?: AbortSignal) {
    const known = Object.keys(t.actions).find((action) => action === this.#given('action'));
    const query = {
      limit: 50,
      cursor,
      actor: this.#given('actor') || undefined,
      action: known as AuditEntry['action'] | undefined,
      target: this.#given('target') || undefined,
      from: fromLocal(this.#given('from')),
      to: fromLocal(this.#given('to')),
    };
    return call((http, signal) => http.GET('/v1/admin/audit', { params: { query }, signal }), signal);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener('acted', this.#acted);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener('acted', this.#acted);
    clearTimeout(this.#timer);
  }

  #acted = (): void => {
    this.#acts.refresh();
  };

  override placeChanged(): void {
    this.#acts.refresh();
    this.requestUpdate();
  }

  protected override render() {
    return html`<header class="heading"><h1 tabindex="-1">${t.title}</h1></header>
      <form class="filters" role="search" @input=${this.#typed} @submit=${(event: Event) => event.preventDefault()}>
        ${this.#field('actor', t.actor)}
        <div class="field"><label for="audit-action">${t.action}</label>
          <select id="audit-action" name="action">
            <option value="">${texts.all}</option>
            ${Object.entries(t.actions).map(
              ([action, title]) =>
                html`<option value=${action} ?selected=${action === this.#given('action')}>${title}</option>`,
            )}
          </select></div>
        ${this.#field('target', t.target)} ${this.#field('from', t.from, 'datetime-local')} ${this.#field('to', t.to, 'datetime-local')}
      </form>
      ${shown(this.#acts, (acts) => (acts.items.length === 0 ? empty(t.none, t.noneText) : this.#list(acts)))}`;
  }

  #field(name: string, label: string, type = 'search'): TemplateResult {
    return html`<div class="field"><label for="audit-${name}">${label}</label>
      <input id="audit-${name}" name=${name} type=${type} maxlength="128" autocomplete="off" spellcheck="false" .value=${this.#given(name)}></div>`;
  }

  #list({ items, next }: Pages<AuditEntry>): TemplateResult {
    const c = t.columns;
    return html`<div class="sheet"><table>
        <thead><tr><th scope="col">${c.act}</th><th scope="col" class="roomy">${c.target}</th><th scope="col">${c.by}</th><th scope="col" class="roomy">${c.at}</th><th scope="col" class="acts"><span class="unseen">${texts.undo}</span></th></tr></thead>
        <tbody>${items.map((act) => this.#row(act))}</tbody>
      </table></div>
      ${next ? html`<button type="button" class="button more" @click=${() => this.#more(next)}>${texts.more}</button>` : nothing}`;
  }

  #row(act: AuditEntry): TemplateResult {
    const place = PLACES[act.target.slice(0, 4)];
    return html`<tr>
      <th scope="row">${actTitle(act)} ${act.undoneBy ? html`<span class="mark">${t.undone}</span>` : nothing}
        ${act.reason ? html`<div class="reason"><q>${act.reason}</q></div>` : nothing}</th>
      <td class="roomy mono">${place ? html`<a href=${href(`${place}/${act.target}`)}>${act.target}</a>` : act.target}</td>
      <td><a href=${href('audit', { actor: act.actor })}><bdi>${actor(act)}</bdi></a></td>
      <td class="roomy soft">${at(act.at)}</td>
      <td class="acts">${
        t.undoable.includes(act.action) && !act.undoneBy && mayUndo(act)
          ? html`<button type="button" class="button small" aria-label="${texts.undo}: ${actTitle(act)}" @click=${() => this.#undo(act)}>${texts.undo}</button>`
          : nothing
      }</td>
    </tr>`;
  }

  #undo(act: AuditEntry): void {
    ask({
      kind: 'undo',
      title: t.undoTitle(actTitle(act)),
      explanation: t.undoText,
      confirm: texts.undo,
      reasons: texts.acts.reasons.undo,
      run: async ({ reason = '' }) => {
        await undoAct(act.id, reason);
        return { said: texts.undone };
      },
    });
  }

  #typed = (event: Event): void => {
    const form = event.currentTarget;
    if (!(form instanceof HTMLFormElement)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const given = [...new FormData(form)].map(([name, value]) => [name, String(value).trim()]);
      go(href('audit', Object.fromEntries(given)), { replace: true });
    }, PAUSE_MS);
  };

  async #more(cursor: string): Promise<void> {
    try {
      const read = await this.#page(cursor);
      if (this.#acts.value) this.#acts.value = withPage(this.#acts.value, read);
      this.requestUpdate();
    } catch (error) {
      complain(error);
    }
  }
}
customElements.define('audit-screen', AuditScreen);
