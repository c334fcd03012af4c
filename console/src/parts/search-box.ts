import { html, nothing } from 'lit';
import type { Found } from '../data/found.js';
import { search } from '../data/search.js';
import { Part } from '../element.js';
import { go, href } from '../router.js';
import { texts } from '../texts.js';

/** After the last key, in milliseconds. */
const PAUSE_MS = 150;

/** Finds places, boards, actions and players, from anywhere. */
class SearchBox extends Part {
  #found: readonly Found[] = [];
  #chosen = 0;
  #isOpen = false;
  #asked = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  get #input(): HTMLInputElement | null {
    return this.querySelector('input');
  }

  override focus(): void {
    this.#input?.focus();
    this.#input?.select();
  }

  protected override render() {
    const isOpen = this.#isOpen && this.#found.length > 0;
    return html`<search class="search" @focusout=${this.#leave}>
      <input
        type="search" role="combobox" placeholder=${texts.search} aria-label=${texts.search} autocomplete="off" spellcheck="false"
        aria-keyshortcuts="/" aria-expanded=${isOpen} aria-controls="found" aria-autocomplete="list"
        aria-activedescendant=${isOpen ? `found-${this.#chosen}` : nothing}
        @input=${this.#typed} @keydown=${this.#key} @focus=${this.#typed}
      >
      <kbd aria-hidden="true">/</kbd>
      <ul id="found" role="listbox" aria-label=${texts.found} ?hidden=${!isOpen}>
        ${this.#found.map(
          ({ title, kind }, i) => html`<li
            id="found-${i}" role="option" aria-selected=${i === this.#chosen}
            @pointerdown=${(event: Event) => event.preventDefault()} @click=${() => this.#open(i)}
          >
            <span>${title}</span><small>${kind}</small>
          </li>`,
        )}
      </ul>
    </search>`;
  }

  #typed = (): void => {
    clearTimeout(this.#timer);
    this.#asked.abort();
    const asked = new AbortController();
    this.#asked = asked;
    const text = this.#input?.value.trim() ?? '';
    this.#isOpen = text !== '';
    if (text === '') {
      this.#found = [];
      this.requestUpdate();
      return;
    }
    this.#timer = setTimeout(async () => {
      for await (const found of search(text, asked.signal)) {
        if (asked.signal.aborted) return;
        this.#found = found;
        this.#chosen = 0;
        this.requestUpdate();
      }
    }, PAUSE_MS);
  };

  #key = (event: KeyboardEvent): void => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move !== undefined && this.#found.length > 0) {
      event.preventDefault();
      this.#chosen = (this.#chosen + move + this.#found.length) % this.#found.length;
      this.requestUpdate();
    }
    if (event.key === 'Enter') this.#open(this.#chosen);
    if (event.key === 'Escape') {
      event.preventDefault();
      if (this.#input) this.#input.value = '';
      this.#typed();
    }
  };

  #open(i: number): void {
    const text = this.#input?.value.trim() ?? '';
    if (text === '') return;
    const address = this.#found[i]?.address ?? href('players', { q: text });
    if (this.#input) this.#input.value = '';
    this.#input?.blur();
    this.#typed();
    go(address);
  }

  #leave = (): void => {
    this.#isOpen = false;
    this.requestUpdate();
  };
}
customElements.define('search-box', SearchBox);
