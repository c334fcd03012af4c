import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { type NamedEvent, release, voidAndBan, voidEvent } from '../acts/events.js';
import { call } from '../data/api.js';
import { nameOf } from '../data/players.js';
import { Resource } from '../data/resource.js';
import { Screen } from '../element.js';
import { number } from '../format.js';
import { type Act, ask } from '../parts/act-dialog.js';
import { eventFacts } from '../parts/event-facts.js';
import { empty, shown } from '../parts/states.js';
import { since } from '../parts/time.js';
import { say } from '../parts/toasts.js';
import { go, href } from '../router.js';
import { texts } from '../texts.js';

const t = texts.held;
const EVERY_MS = 4_000;
const ROWS = 50;

async function readHeld(signal: AbortSignal): Promise<{ items: readonly NamedEvent[]; hasMore: boolean }> {
  const { items, nextCursor } = await call(
    (http, signal) =>
      http.GET('/v1/admin/events', { params: { query: { status: 'held', limit: ROWS } }, signal }),
    signal,
  );
  const named = items.map(async (event) => ({ ...event, displayName: await nameOf(event.userId) }));
  return { items: await Promise.all(named), hasMore: nextCursor !== null };
}

/** The queue of held events, for hands that stay on the keyboard. */
class HeldScreen extends Screen {
  readonly #held = new Resource(this, readHeld, { everyMs: EVERY_MS });
  /** Where the chosen event was in the list, so that the next one is chosen when it is gone. */
  #at = 0;
  /** Decided here: what was read meanwhile may still have them. */
  readonly #decided = new Set<string>();
  #before: NamedEvent | undefined;

  get #events(): readonly NamedEvent[] {
    return (this.#held.value?.items ?? []).filter(({ eventId }) => !this.#decided.has(eventId));
  }

  get #chosen(): NamedEvent | undefined {
    const events = this.#events;
    const wanted = this.place.query.get('event');
    return events.find(({ eventId }) => eventId === wanted) ?? events[Math.min(this.#at, events.length - 1)];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener('keydown', this.#key);
    addEventListener('acted', this.#acted);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener('keydown', this.#key);
    removeEventListener('acted', this.#acted);
  }

  #acted = (): void => {
    this.#held.refresh();
  };

  protected override render() {
    return html`<header class="heading"><h1 tabindex="-1">${t.title}</h1><p class="facts">${t.intro}</p></header>
      ${shown(this.#held, () => (this.#events.length === 0 ? empty(t.none, t.noneText) : this.#queue()))}`;
  }

  #queue(): TemplateResult {
    const chosen = this.#chosen;
    return html`<div class="queue">
        <ul class="queue-list" aria-label=${t.listLabel}>
          ${repeat(
            this.#events,
            ({ eventId }) => eventId,
            (event) => this.#item(event, event === chosen),
          )}
        </ul>
        ${chosen ? this.#detail(chosen) : nothing}
      </div>
      <p class="hint keys-hint">${t.hint}</p>`;
  }

  #item(event: NamedEvent, isChosen: boolean): TemplateResult {
    return html`<li>
      <button type="button" class="queue-item" aria-current=${isChosen ? 'true' : nothing} tabindex=${isChosen ? 0 : -1} @click=${() => this.#choose(event)}>
        <b><bdi>${event.displayName}</bdi></b>
        <span class="number">${number(event.points)}</span>
        <small>${event.action}</small>
        <small class="number">${since(event.acceptedAt)}</small>
      </button>
    </li>`;
  }

  #detail(event: NamedEvent): TemplateResult {
    return html`<section class="queue-detail" aria-labelledby="chosen-title">
      <h2 id="chosen-title"><bdi>${event.displayName}</bdi>: ${t.points(number(event.points))}</h2>
      ${eventFacts(event)}
      <div class="buttons">
        <button type="button" class="button strong" @click=${() => this.#ask(release(event), event)}>${t.release} <kbd>r</kbd></button>
        <button type="button" class="button bad" @click=${() => this.#ask(voidEvent(event), event)}>${t.void} <kbd>v</kbd></button>
        <button type="button" class="button bad" @click=${() => this.#ask(voidAndBan(event), event)}>${t.ban}</button>
        <a class="button" href=${href(`players/${event.userId}`)}>${t.player}</a>
      </div>
    </section>`;
  }

  protected override updated(): void {
    const events = this.#events;
    const chosen = this.#chosen;
    if (chosen) this.#at = events.indexOf(chosen);
    const before = this.#before;
    this.#before = chosen;
    if (!before || !this.#held.value || before.eventId === chosen?.eventId) return;
    const isGone = !events.some(({ eventId }) => eventId === before.eventId);
    if (!isGone) return;
    // The address of one that is gone would lead nowhere.
    if (this.place.query.has('event')) go(href('held'), { replace: true });
    if (!this.#decided.has(before.eventId)) say({ said: t.decided(before.displayName) });
  }

  #choose(event: NamedEvent): void {
    go(href('held', { event: event.eventId }), { replace: true });
    this.#focusChosen();
  }

  override placeChanged(): void {
    super.placeChanged();
  }

  async #focusChosen(): Promise<void> {
    await this.updateComplete;
    const item = this.querySelector<HTMLElement>('.queue-item[aria-current]') ?? this.querySelector('h1');
    item?.focus();
    item?.scrollIntoView({ block: 'nearest' });
  }

  async #ask(act: Act, event: NamedEvent): Promise<void> {
    if (await ask(act)) {
      this.#decided.add(event.eventId);
      this.requestUpdate();
    }
    await this.#focusChosen();
  }

  #key = (event: KeyboardEvent): void => {
    const isElsewhere = event
      .composedPath()
      .some(
        (target) => target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT|DIALOG)$/.test(target.tagName),
      );
    const chosen = this.#chosen;
    if (isElsewhere || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !chosen)
      return;
    if (document.querySelector('dialog[open]')) return;
    const events = this.#events;
    const beside = (step: number) => events[events.indexOf(chosen) + step];
    const next = { j: beside(1), k: beside(-1) }[event.key];
    if (next) this.#choose(next);
    else if (event.key === 'r') this.#ask(release(chosen), chosen);
    else if (event.key === 'v') this.#ask(voidEvent(chosen), chosen);
    else return;
    event.preventDefault();
  };
}
customElements.define('held-screen', HeldScreen);
