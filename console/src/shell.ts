import { ScoreboardError } from '@scoreboard/client';
import { html, nothing, type TemplateResult } from 'lit';
import { keyed } from 'lit/directives/keyed.js';
import { connection } from './data/connection.js';
import { session } from './data/session.js';
import { Part, Screen } from './element.js';
import { theDialog } from './parts/act-dialog.js';
import './parts/login-form.js';
import './parts/search-box.js';
import { explain } from './parts/states.js';
import { complain, theToasts } from './parts/toasts.js';
import { places } from './places.js';
import { go, href, match } from './router.js';
import { ROUTES } from './routes.js';
import { texts } from './texts.js';

/** The frame of all screens: login, places, search, what is said, and keys that work everywhere. */
class Shell extends Part {
  #failure: ScoreboardError | null = null;
  #isStarted = false;
  /** Screens stay below the login when a session ends, with everything that is written in them. */
  #hasBeenIn = false;
  #afterG = false;

  override connectedCallback(): void {
    super.connectedCallback();
    const update = () => this.requestUpdate();
    session.addEventListener('change', update);
    connection.addEventListener('change', update);
    addEventListener('place', this.#moved);
    addEventListener('popstate', this.#moved);
    addEventListener('keydown', this.#key);
    this.#start();
  }

  async #start(): Promise<void> {
    this.#failure = null;
    this.requestUpdate();
    try {
      await session.resume();
      this.#isStarted = true;
    } catch (error) {
      if (!(error instanceof ScoreboardError)) throw error;
      this.#failure = error;
    }
    this.requestUpdate();
  }

  protected override render() {
    if (this.#failure)
      return html`<main class="alone"><div class="state" role="alert">
        <h1>${texts.cannotShow}</h1><p>${explain(this.#failure)}</p>
        <button type="button" class="button" @click=${() => this.#start()}>${texts.tryAgain}</button>
      </div></main>`;
    if (!this.#isStarted) return html`<main class="alone" aria-busy="true"></main>`;
    const isIn = session.current !== null;
    this.#hasBeenIn ||= isIn;
    return html`
      ${this.#hasBeenIn ? html`<div class="frame" ?inert=${!isIn}>${this.#frame()}</div>` : nothing}
      ${isIn ? nothing : html`<login-form .isAgain=${this.#hasBeenIn}></login-form>`}
      ${theDialog()} ${theToasts()} ${this.#shortcuts()}`;
  }

  #frame(): TemplateResult {
    const found = match(ROUTES, new URL(location.href));
    const path = found?.place.path ?? '';
    const { current } = session;
    return html`
      <a class="skip" href="#content">${texts.skip}</a>
      <header class="top">
        <a class="brand" href=${href('')}><img src="/admin/icon.svg" alt="" width="28" height="28"><span>${texts.console}</span></a>
        <search-box></search-box>
        <div class="who">
          ${current === null ? nothing : html`<span class="name" title="${texts.login.as} ${current.name}">${current.name}</span>`}
          <button type="button" class="button" @click=${this.#leave}>${texts.login.logout}</button>
        </div>
      </header>
      <nav class="places" aria-label=${texts.navigation}>
        <ul>
          ${places().map(
            (place) =>
              html`<li><a href=${href(place.path)} aria-current=${this.#isAt(place.path, path) ? 'page' : nothing}>${place.title}</a></li>`,
          )}
        </ul>
      </nav>
      <main id="content" tabindex="-1">
        <div class="banner" role="status">${connection.isLost ? html`<p>${texts.lost}</p>` : nothing}</div>
        ${keyed(path, found ? found.route.to(found.place) : this.#noPlace())}
      </main>`;
  }

  #isAt = (place: string, path: string): boolean =>
    place === '' ? path === '' : path === place || path.startsWith(`${place}/`);

  #noPlace = (): TemplateResult =>
    html`<div class="state"><h1 tabindex="-1">${texts.noPlace.title}</h1><p>${texts.noPlace.text}</p></div>`;

  #shortcuts(): TemplateResult {
    return html`<dialog class="dialog" id="shortcuts" aria-labelledby="shortcuts-title">
      <form method="dialog">
        <h2 id="shortcuts-title">${texts.shortcuts.title}</h2>
        <dl class="pairs">
          ${texts.shortcuts.rows.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}
        </dl>
        <div class="buttons"><button class="button" autofocus>${texts.dismiss}</button></div>
      </form>
    </dialog>`;
  }

  /** A new screen begins at its heading, as a page that is loaded does; going through a filter does not move the focus. */
  #moved = async (event: Event): Promise<void> => {
    const screen = this.querySelector('main > :not(.banner)');
    this.requestUpdate();
    await this.updateComplete;
    const next = this.querySelector('main > :not(.banner)');
    if (next === screen) {
      if (next instanceof Screen) next.placeChanged();
      return;
    }
    if (next instanceof Screen) await next.updateComplete;
    const heading = next?.querySelector('h1');
    heading?.focus({ preventScroll: true });
    if (event.type === 'place') scrollTo(0, 0);
  };

  protected override updated(): void {
    const heading = this.querySelector('main h1')?.textContent ?? '';
    document.title = [heading, texts.console, texts.service].filter((part) => part !== '').join(' · ');
  }

  #leave = async (): Promise<void> => {
    try {
      await session.close();
      this.#hasBeenIn = false;
      this.requestUpdate();
    } catch (error) {
      complain(error);
    }
  };

  #key = (event: KeyboardEvent): void => {
    const isTyping = event
      .composedPath()
      .some((target) => target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
    const isOpen = this.querySelector('dialog[open]') !== null;
    if (isTyping || isOpen || event.ctrlKey || event.metaKey || event.altKey || session.current === null)
      return;
    const afterG = this.#afterG;
    this.#afterG = event.key === 'g';
    const place = afterG ? places().find(({ key }) => key === event.key) : undefined;
    if (place) go(href(place.path));
    else if (event.key === '/') this.querySelector<HTMLElement>('search-box')?.focus();
    else if (event.key === '?') this.querySelector<HTMLDialogElement>('#shortcuts')?.showModal();
    else if (event.key === 'z') theToasts().undoLast();
    else return;
    event.preventDefault();
  };
}
customElements.define('score-console', Shell);
