import { ScoreboardError } from '@scoreboard/client';
import { html, nothing, type TemplateResult } from 'lit';
import { call } from '../data/api.js';
import { Resource } from '../data/resource.js';
import type { Action } from '../data/types.js';
import { Screen } from '../element.js';
import { ask } from '../parts/act-dialog.js';
import { numberIn, textIn } from '../parts/fields.js';
import { explain, shown } from '../parts/states.js';
import { say } from '../parts/toasts.js';
import { go, href } from '../router.js';
import { texts } from '../texts.js';

const t = texts.action;
const NEW = 'new';

/** Makes or changes an action. */
class ActionScreen extends Screen {
  #error: ScoreboardError | null = null;
  #isSaving = false;
  readonly #action = new Resource(this, async (signal) => {
    const [{ items }, boards] = await Promise.all([
      call((http, signal) => http.GET('/v1/actions', { signal }), signal),
      call(
        (http, signal) => http.GET('/v1/leaderboards', { params: { query: { limit: 100 } }, signal }),
        signal,
      ),
    ]);
    const known = items.find(({ id }) => id === this.#id);
    if (this.#id && !known) throw new ScoreboardError('not-found', t.unknown);
    return { known, boards: boards.items };
  });

  /** Undefined for one that is to be made. */
  get #id(): string | undefined {
    const id = this.param('id');
    return id === NEW ? undefined : id;
  }

  protected override render() {
    return html`<header class="heading"><div>
        <p class="crumb"><a href=${href('actions')}>${texts.actions.title}</a></p>
        <h1 tabindex="-1">${this.#action.value?.known?.title ?? (this.#id ? this.#id : texts.actions.add)}</h1>
      </div></header>
      ${shown(this.#action, ({ known, boards }) => this.#form(known, boards))}`;
  }

  #form(known: Action | undefined, boards: readonly { id: string; title: string }[]): TemplateResult {
    const listed = [
      ...boards,
      ...(known?.leaderboards ?? [])
        .filter((id) => !boards.some((board) => board.id === id))
        .map((id) => ({ id, title: id })),
    ];
    return html`<form class="form card" @submit=${this.#submit}>
      ${
        known
          ? nothing
          : html`<div class="field"><label for="action-id">${t.id}</label>
        <input id="action-id" name="id" required pattern="[a-z0-9][a-z0-9\\-]{0,62}" autocomplete="off" spellcheck="false" aria-describedby="action-id-hint">
        <p class="hint" id="action-id-hint">${texts.slugHint}</p></div>`
      }
      <div class="field"><label for="action-title">${t.name}</label><input id="action-title" name="title" required maxlength="100" .value=${known?.title ?? ''}></div>
      <div class="pair">
        <div class="field"><label for="action-min">${t.min}</label><input id="action-min" name="min" type="number" step="1" required .value=${String(known?.points.min ?? 1)}></div>
        <div class="field"><label for="action-max">${t.max}</label><input id="action-max" name="max" type="number" step="1" required .value=${String(known?.points.max ?? 100)}></div>
      </div>
      <fieldset><legend>${t.boards}</legend><div class="checks">
        ${listed.map(({ id, title }) => html`<label class="check"><input type="checkbox" name="board" value=${id} ?checked=${known?.leaderboards.includes(id) ?? false}>${title}</label>`)}
      </div></fieldset>
      <div class="field"><label for="action-issuer">${t.issuer}</label>
        <select id="action-issuer" name="issuer">
          ${(['player', 'server'] as const).map((issuer) => html`<option value=${issuer} ?selected=${known?.issuer === issuer}>${texts.actions.issuers[issuer]}</option>`)}
        </select></div>
      <div class="pair">
        <div class="field"><label for="action-duration">${t.minDuration}</label><input id="action-duration" name="minDurationMs" type="number" min="0" max="86400000" required .value=${String(known?.minDurationMs ?? 0)}></div>
        <div class="field"><label for="action-cooldown">${t.cooldown}</label><input id="action-cooldown" name="cooldownMs" type="number" min="1" max="86400000" .value=${String(known?.cooldownMs ?? '')}></div>
        <div class="field"><label for="action-daily">${t.daily}</label><input id="action-daily" name="dailyLimit" type="number" min="1" max="1000000" .value=${String(known?.dailyLimit ?? '')}></div>
      </div>
      <div class="field"><label for="action-public">${t.publicMetadata}</label><input id="action-public" name="publicMetadata" autocomplete="off" .value=${(known?.publicMetadata ?? []).join(', ')}></div>
      <div class="field"><label for="action-reason">${texts.reasonOptional}</label><input id="action-reason" name="reason" maxlength="500" autocomplete="off"></div>
      ${this.#error ? html`<p class="bad" role="alert">${explain(this.#error)}</p>` : nothing}
      <div class="buttons">
        <button class="button strong" ?disabled=${this.#isSaving}>${this.#isSaving ? texts.working : texts.save}</button>
        ${known ? html`<button type="button" class="button bad" @click=${() => this.#delete(known)}>${t.delete}</button>` : nothing}
      </div>
    </form>`;
  }

  #submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (!(event.target instanceof HTMLFormElement) || this.#isSaving) return;
    const data = new FormData(event.target);
    const known = this.#action.value?.known;
    const id = known?.id ?? textIn(data, 'id');
    const keys = textIn(data, 'publicMetadata')
      .split(',')
      .flatMap((key) => key.trim() || []);
    const reason = textIn(data, 'reason');
    const cooldownMs = numberIn(data, 'cooldownMs');
    const dailyLimit = numberIn(data, 'dailyLimit');
    const { id: _, ...before } = known ?? { id };
    const body = {
      // What this form does not know stays.
      ...before,
      title: textIn(data, 'title'),
      points: { min: numberIn(data, 'min') ?? 0, max: numberIn(data, 'max') ?? 0 },
      leaderboards: data.getAll('board').map(String),
      issuer: textIn(data, 'issuer') === 'server' ? ('server' as const) : ('player' as const),
      minDurationMs: numberIn(data, 'minDurationMs') ?? 0,
      cooldownMs,
      dailyLimit,
      publicMetadata: keys.length > 0 ? keys : undefined,
      ...(reason !== '' && { reason }),
    };
    this.#isSaving = true;
    this.#error = null;
    this.requestUpdate();
    try {
      await call((http, signal) =>
        http.PUT('/v1/admin/actions/{id}', { params: { path: { id } }, body, signal }),
      );
      say({ said: t.saved(body.title) });
      go(href('actions'));
    } catch (error) {
      if (!(error instanceof ScoreboardError)) throw error;
      this.#error = error;
    } finally {
      this.#isSaving = false;
      this.requestUpdate();
    }
  };

  async #delete({ id, title }: Action): Promise<void> {
    const isDone = await ask({
      kind: 'delete',
      title: t.deleteTitle(title),
      explanation: t.deleteText,
      confirm: t.delete,
      isDangerous: true,
      isReasonOptional: true,
      run: async ({ reason }) => {
        const params = { path: { id }, query: reason ? { reason } : {} };
        await call((http, signal) => http.DELETE('/v1/admin/actions/{id}', { params, signal }));
        return { said: t.deleted(title) };
      },
    });
    if (isDone) go(href('actions'));
  }
}
customElements.define('action-screen', ActionScreen);
