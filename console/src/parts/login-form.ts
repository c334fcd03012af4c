import { ScoreboardError } from '@scoreboard/client';
import { html, nothing } from 'lit';
import { session } from '../data/session.js';
import { Part } from '../element.js';
import { texts } from '../texts.js';
import { explain } from './states.js';

class LoginForm extends Part {
  /** Whether a session has ended below it. */
  isAgain = false;
  #error: ScoreboardError | null = null;
  #isRunning = false;

  override firstUpdated(): void {
    this.querySelector<HTMLInputElement>('input')?.focus();
  }

  protected override render() {
    const t = texts.login;
    return html`<main class="login">
      <form class="card" @submit=${this.#submit} aria-labelledby="login-title">
        <img src="/admin/icon.svg" alt="" width="44" height="44">
        <h1 id="login-title">${t.title}</h1>
        <p class="soft">${this.isAgain ? t.ended : `${texts.console} · ${texts.service}`}</p>
        <div class="field">
          <label for="login-name">${t.name}</label>
          <input id="login-name" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required>
        </div>
        <div class="field">
          <label for="login-password">${t.password}</label>
          <input id="login-password" name="password" type="password" autocomplete="current-password" required>
        </div>
        <div class="field">
          <label for="login-code">${t.code}</label>
          <input id="login-code" name="code" autocomplete="one-time-code" autocapitalize="none" spellcheck="false" required>
        </div>
        <p class="bad" role="alert">${this.#error ? this.#failure(this.#error) : nothing}</p>
        <button class="button strong" ?disabled=${this.#isRunning}>${this.#isRunning ? texts.working : t.submit}</button>
        <p class="hint">${t.hint}</p>
      </form>
    </main>`;
  }

  #failure(error: ScoreboardError): string {
    if (error.code === 'invalid-credentials') return texts.login.wrong;
    if (error.code === 'rate-limited') return texts.login.tooOften(error.retryAfter ?? 60);
    return explain(error);
  }

  #submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (!(event.target instanceof HTMLFormElement) || this.#isRunning) return;
    const data = new FormData(event.target);
    const field = (name: string) => String(data.get(name) ?? '');
    this.#isRunning = true;
    this.#error = null;
    this.requestUpdate();
    try {
      await session.begin({
        name: field('name').trim(),
        password: field('password'),
        code: field('code').trim(),
      });
    } catch (error) {
      if (!(error instanceof ScoreboardError)) throw error;
      this.#error = error;
      const code = this.querySelector<HTMLInputElement>('#login-code');
      if (code) code.value = '';
      this.querySelector<HTMLInputElement>('#login-password')?.focus();
    } finally {
      this.#isRunning = false;
      this.requestUpdate();
    }
  };
}
customElements.define('login-form', LoginForm);
