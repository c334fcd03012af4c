import { ScoreboardError } from '@scoreboard/client';
import { html, nothing, type TemplateResult } from 'lit';
import { Part } from '../element.js';
import { texts } from '../texts.js';
import { explain } from './states.js';
import { type Done, say } from './toasts.js';

/** What the form of a dialog has: its fields by name, text all of them. */
export type Input = Readonly<Record<string, string>>;

/** Something that an administrator does, and is asked about before. */
export interface Act {
  /** The reason that was given last for an act of this kind is offered again. */
  readonly kind?: string;
  readonly title: string;
  readonly explanation?: string | TemplateResult;
  /** What the button says: a verb. */
  readonly confirm: string;
  readonly isDangerous?: boolean;
  /** Reasons to choose from; null if none is asked for. */
  readonly reasons?: readonly string[] | null;
  readonly isReasonOptional?: boolean;
  /** More fields, with names. */
  readonly fields?: TemplateResult;
  /** What it would change, asked for when the dialog opens. */
  readonly preview?: (signal: AbortSignal) => Promise<TemplateResult>;
  run(input: Input): Promise<Done>;
}

/** Asks for the reason of an act, does it, and stays open with what was written if it fails. */
class ActDialog extends Part {
  #act: Act | null = null;
  #error: ScoreboardError | null = null;
  #isRunning = false;
  #preview: TemplateResult | null = null;
  #asked = new AbortController();
  readonly #lastReasons = new Map<string, string>();
  #resolve: (isDone: boolean) => void = () => {};

  /** Resolves when it was done (true) or given up. */
  async open(act: Act): Promise<boolean> {
    this.#act = act;
    this.#error = null;
    this.#preview = null;
    this.#asked = new AbortController();
    this.requestUpdate();
    await this.updateComplete;
    const dialog = this.#dialog;
    dialog?.querySelector('form')?.reset();
    dialog?.showModal();
    const reason = this.querySelector<HTMLInputElement>('#act-reason');
    if (reason) reason.value = this.#lastReasons.get(act.kind ?? act.title) ?? '';
    reason?.select();
    this.#askForPreview(act);
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get #dialog(): HTMLDialogElement | null {
    return this.querySelector('dialog');
  }

  async #askForPreview({ preview }: Act): Promise<void> {
    if (preview === undefined) return;
    const { signal } = this.#asked;
    try {
      const shown = await preview(signal);
      if (!signal.aborted) this.#preview = shown;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ScoreboardError)) throw error;
      this.#preview = html`<p class="bad">${explain(error)}</p>`;
    }
    this.requestUpdate();
  }

  protected override render() {
    const act = this.#act;
    return html`<dialog class="dialog" aria-labelledby="act-title" @close=${this.#closed} @cancel=${this.#cancel}>
      ${act === null ? nothing : this.#form(act)}
    </dialog>`;
  }

  #form(act: Act): TemplateResult {
    const { reasons = [] } = act;
    return html`<form method="dialog" @submit=${this.#submit}>
      <h2 id="act-title">${act.title}</h2>
      ${act.explanation ? html`<div class="soft">${act.explanation}</div>` : nothing}
      ${act.preview ? html`<div class="preview" aria-live="polite">${this.#preview ?? texts.loading}</div>` : nothing}
      ${act.fields ?? nothing}
      ${
        reasons === null
          ? nothing
          : html`<div class="field">
              <label for="act-reason">${act.isReasonOptional ? texts.reasonOptional : texts.reason}</label>
              <input id="act-reason" name="reason" maxlength="500" autocomplete="off" ?required=${!act.isReasonOptional} autofocus>
              ${
                reasons.length === 0
                  ? nothing
                  : html`<div class="chips" role="group" aria-label=${texts.suggestedReasons}>
                      ${reasons.map(
                        (reason) =>
                          html`<button type="button" class="chip" @click=${() => this.#take(reason)}>${reason}</button>`,
                      )}
                    </div>`
              }
            </div>`
      }
      ${this.#error ? html`<p class="bad" role="alert">${this.#failure(this.#error)}</p>` : nothing}
      <div class="buttons">
        <button type="button" class="button" @click=${() => this.#dialog?.close()}>${texts.cancel}</button>
        <button type="submit" class="button strong ${act.isDangerous ? 'danger' : ''}" ?disabled=${this.#isRunning}>
          ${this.#isRunning ? texts.working : act.confirm}
        </button>
      </div>
    </form>`;
  }

  #failure(error: ScoreboardError): string {
    return error.code === 'unreachable' ? texts.mayBeDone : explain(error);
  }

  #take(reason: string): void {
    const field = this.querySelector<HTMLInputElement>('#act-reason');
    if (field === null) return;
    field.value = reason;
    field.focus();
  }

  #submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const act = this.#act;
    if (act === null || this.#isRunning || !(event.target instanceof HTMLFormElement)) return;
    const input = Object.fromEntries(
      [...new FormData(event.target)].flatMap(([name, value]) =>
        typeof value === 'string' ? [[name, value.trim()]] : [],
      ),
    );
    this.#isRunning = true;
    this.#error = null;
    this.requestUpdate();
    try {
      const done = await act.run(input);
      this.#isRunning = false;
      if (input['reason']) this.#lastReasons.set(act.kind ?? act.title, input['reason']);
      this.#act = null;
      this.#dialog?.close();
      say(done);
      dispatchEvent(new Event('acted'));
      this.#resolve(true);
    } catch (error) {
      this.#isRunning = false;
      if (!(error instanceof ScoreboardError)) throw error;
      this.#error = error;
      this.requestUpdate();
    }
  };

  /** What is being done cannot be taken back by closing. */
  #cancel = (event: Event): void => {
    if (this.#isRunning) event.preventDefault();
  };

  #closed = (): void => {
    this.#asked.abort();
    this.#act = null;
    this.requestUpdate();
    this.#resolve(false);
  };
}
customElements.define('act-dialog', ActDialog);

let dialog: ActDialog | undefined;
/** The one of the page, which the shell shows. */
export function theDialog(): ActDialog {
  dialog ??= new ActDialog();
  return dialog;
}

/** Asks about an act. Resolves when it was done (true) or given up. */
export const ask = (act: Act): Promise<boolean> => theDialog().open(act);
