import { ScoreboardError } from '@scoreboard/client';
import { html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { Part } from '../element.js';
import { texts } from '../texts.js';
import { explain } from './states.js';

/** What was done, and how it is undone if it can be. */
export interface Done {
  readonly said: string;
  readonly undo?: (() => Promise<unknown>) | undefined;
}

interface Toast extends Done {
  readonly id: number;
  readonly isBad: boolean;
  isUndoing: boolean;
}

/** Long enough to read and to undo, in milliseconds. It waits while a pointer or the focus is on it. */
const SHOWN_MS = 12_000;
const MOST = 3;

/** Short messages at the edge, which screen readers read out. */
class Toasts extends Part {
  #toasts: readonly Toast[] = [];
  #lastId = 0;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();

  say(done: Done, isBad = false): void {
    const toast = { ...done, id: ++this.#lastId, isBad, isUndoing: false };
    for (const { id } of this.#toasts.slice(0, -MOST + 1)) this.#remove(id);
    this.#toasts = [...this.#toasts, toast];
    this.#wait(toast.id);
    this.requestUpdate();
  }

  /** Undoes what was done last, if it still can be. */
  undoLast(): void {
    const last = this.#toasts.findLast(({ undo, isUndoing }) => undo && !isUndoing);
    if (last) this.#undo(last);
  }

  protected override render() {
    return html`<div class="toasts" role="status" aria-live="polite">
      ${repeat(
        this.#toasts,
        ({ id }) => id,
        (toast) => html`<div
          class="toast ${toast.isBad ? 'bad' : ''}"
          @pointerenter=${() => this.#hold(toast.id)}
          @pointerleave=${() => this.#wait(toast.id)}
          @focusin=${() => this.#hold(toast.id)}
          @focusout=${() => this.#wait(toast.id)}
        >
          <span>${toast.said}</span>
          ${
            toast.undo
              ? html`<button type="button" class="link" ?disabled=${toast.isUndoing} @click=${() => this.#undo(toast)}>
                  ${texts.undo} <kbd>z</kbd>
                </button>`
              : nothing
          }
          <button type="button" class="close" aria-label=${texts.dismiss} @click=${() => this.#remove(toast.id)}>×</button>
        </div>`,
      )}
    </div>`;
  }

  async #undo(toast: Toast): Promise<void> {
    toast.isUndoing = true;
    this.#hold(toast.id);
    this.requestUpdate();
    try {
      await toast.undo?.();
      this.#remove(toast.id);
      this.say({ said: texts.undone });
      dispatchEvent(new Event('acted'));
    } catch (error) {
      if (!(error instanceof ScoreboardError)) throw error;
      toast.isUndoing = false;
      this.#wait(toast.id);
      this.say({ said: texts.notUndone(explain(error)) }, true);
    }
  }

  #hold(id: number): void {
    clearTimeout(this.#timers.get(id));
  }

  #wait(id: number): void {
    this.#hold(id);
    this.#timers.set(
      id,
      setTimeout(() => this.#remove(id), SHOWN_MS),
    );
  }

  #remove(id: number): void {
    this.#hold(id);
    this.#timers.delete(id);
    this.#toasts = this.#toasts.filter((toast) => toast.id !== id);
    this.requestUpdate();
  }
}
customElements.define('console-toasts', Toasts);

let toasts: Toasts | undefined;
/** The one of the page, which the shell shows. */
export function theToasts(): Toasts {
  toasts ??= new Toasts();
  return toasts;
}
export const say = (done: Done): void => theToasts().say(done);
export const complain = (error: unknown): void => {
  if (!(error instanceof ScoreboardError)) throw error;
  theToasts().say({ said: explain(error) }, true);
};
