import { html, nothing, type TemplateResult } from 'lit';
import { call } from '../data/api.js';
import { download, upload } from '../data/files.js';
import { Resource } from '../data/resource.js';
import { session } from '../data/session.js';
import type { Import } from '../data/types.js';
import { Screen } from '../element.js';
import { fromLocal, number } from '../format.js';
import { textIn } from '../parts/fields.js';
import { shown } from '../parts/states.js';
import { since } from '../parts/time.js';
import { complain, say } from '../parts/toasts.js';
import { href } from '../router.js';
import { texts } from '../texts.js';

const t = texts.data;
const EVERY_MS = 2_000;

interface Progress {
  readonly done: number;
  readonly total: number | null;
}

/** Scores in and out, as files. */
class DataScreen extends Screen {
  #sending: Progress | null = null;
  #receiving: Progress | null = null;
  #stop = new AbortController();
  readonly #boards = new Resource(this, (signal) =>
    call(
      (http, signal) => http.GET('/v1/leaderboards', { params: { query: { limit: 100 } }, signal }),
      signal,
    ),
  );
  readonly #imports = new Resource(
    this,
    (signal) =>
      call(
        (http, signal) => http.GET('/v1/admin/imports', { params: { query: { limit: 20 } }, signal }),
        signal,
      ),
    { everyMs: EVERY_MS },
  );

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop.abort();
  }

  protected override render() {
    return html`<header class="heading"><h1 tabindex="-1">${t.title}</h1></header>
      <div class="columns">
        <section class="card" aria-labelledby="export-title"><h2 id="export-title">${t.export}</h2>${this.#exportForm()}</section>
        ${session.may('boards:write') ? html`<section class="card" aria-labelledby="import-title"><h2 id="import-title">${t.import}</h2>${this.#importForm()}</section>` : nothing}
        <section class="full" aria-labelledby="imports-title"><h2 id="imports-title">${t.imports}</h2>
          ${shown(this.#imports, ({ items }) => (items.length === 0 ? html`<p class="soft">${t.noImports}</p>` : this.#list(items)))}</section>
      </div>`;
  }

  #boardField(name: string, isOptional = false): TemplateResult {
    return html`<div class="field"><label for=${name}>${t.board}</label><select id=${name} name="board" ?required=${!isOptional}>
      ${isOptional ? html`<option value="">${texts.all}</option>` : nothing}
      ${(this.#boards.value?.items ?? []).map(({ id, title }) => html`<option value=${id}>${title}</option>`)}
    </select></div>`;
  }

  #exportForm(): TemplateResult {
    return html`<form class="form" @submit=${this.#export}>
      <div class="field"><label for="export-what">${t.what}</label><select id="export-what" name="what">
        <option value="entries">${t.entries}</option><option value="events">${t.events}</option></select></div>
      ${this.#boardField('export-board')}
      <div class="pair">
        <div class="field"><label for="export-season">${t.season}</label><input id="export-season" name="season" type="number" min="1"></div>
        <div class="field"><label for="export-format">${t.format}</label><select id="export-format" name="format"><option value="csv">CSV</option><option value="ndjson">NDJSON</option></select></div>
      </div>
      <div class="field of-events"><label for="export-from">${t.from}</label><input id="export-from" name="from" type="datetime-local"></div>
      <div class="buttons"><button class="button strong" ?disabled=${this.#receiving !== null}>${t.download}</button></div>
      ${this.#bar(this.#receiving, t.received)}
    </form>`;
  }

  #importForm(): TemplateResult {
    return html`<form class="form" @submit=${this.#import}>
      <p class="soft">${t.importText}</p>
      ${this.#boardField('import-board')}
      <div class="field"><label for="import-file">${t.file}</label><input id="import-file" name="file" type="file" accept=".csv,text/csv" required></div>
      <label class="check"><input type="checkbox" name="dryRun" checked>${t.dryRun}</label>
      <div class="buttons"><button class="button strong" ?disabled=${this.#sending !== null}>${t.send}</button></div>
      ${this.#bar(this.#sending, t.sent)}
    </form>`;
  }

  #bar(progress: Progress | null, label: string): TemplateResult {
    if (progress === null) return html``;
    const { done, total } = progress;
    return html`<div class="field"><progress aria-label=${label} max=${total ?? nothing} value=${total === null ? nothing : done}></progress>
      <p class="note">${label}: ${t.bytes(number(done), total === null ? null : number(total))}</p></div>`;
  }

  #export = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (!(event.target instanceof HTMLFormElement)) return;
    const data = new FormData(event.target);
    const [what, board, format] = [textIn(data, 'what'), textIn(data, 'board'), textIn(data, 'format')];
    const query = new URLSearchParams({ board, format });
    if (what === 'events') query.set('from', fromLocal(textIn(data, 'from')) ?? new Date(0).toISOString());
    else if (textIn(data, 'season') !== '') query.set('season', textIn(data, 'season'));
    const path = what === 'events' ? '/v1/admin/exports/events' : '/v1/admin/exports';
    try {
      await download(`${path}?${query}`, `${board}-${what}.${format}`, this.#stop.signal, (done, total) => {
        this.#receiving = { done, total };
        this.requestUpdate();
      });
      say({ said: t.downloaded });
    } catch (error) {
      complain(error);
    } finally {
      this.#receiving = null;
      this.requestUpdate();
    }
  };

  #import = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (!(event.target instanceof HTMLFormElement)) return;
    const data = new FormData(event.target);
    const file = data.get('file');
    if (!(file instanceof File)) return;
    const query = new URLSearchParams({ board: textIn(data, 'board'), dryRun: String(data.has('dryRun')) });
    this.#sending = { done: 0, total: file.size };
    this.requestUpdate();
    try {
      await upload(`/v1/admin/imports?${query}`, file, this.#stop.signal, (done) => {
        this.#sending = { done, total: file.size };
        this.requestUpdate();
      });
      say({ said: t.arrived });
    } catch (error) {
      complain(error);
    } finally {
      this.#sending = null;
      this.#imports.refresh();
      this.requestUpdate();
    }
  };

  #list(items: readonly Import[]): TemplateResult {
    return html`<ul class="cards">${items.map((one) => this.#one(one))}</ul>`;
  }

  #one(one: Import): TemplateResult {
    const look = { done: 'ok', failed: 'error', counting: 'waits', receiving: 'waits' } as const;
    return html`<li class="card">
      <p class="facts"><span class="dot ${look[one.state]}">${t.states[one.state]}</span>
        <a href=${href(`boards/${one.leaderboard}`)}>${one.leaderboard}</a>
        ${one.dryRun ? html`<span class="mark">${t.isDry}</span>` : nothing}<span>${since(one.begunAt)}</span></p>
      <progress aria-label=${t.progress} max=${Math.max(one.rows, 1)} value=${one.done}></progress>
      <p class="note">${t.counts(number(one.done), number(one.rows), number(one.counted), number(one.known), number(one.faulty), number(one.newUsers))}</p>
      ${one.problem ? html`<p class="bad">${one.problem}</p>` : nothing}
      ${one.faults.length > 0 ? html`<details><summary>${t.faults}</summary><ul class="lines">${one.faults.map(({ line, message }) => html`<li><span class="soft">${t.line(number(line))}</span> ${message}</li>`)}</ul></details>` : nothing}
    </li>`;
  }
}
customElements.define('data-screen', DataScreen);
