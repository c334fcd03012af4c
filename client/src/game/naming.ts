import type { Client } from '../client.js';
import { ScoreboardError } from '../problem.js';

/** The name that the player goes by, changed where it stands. Who has none yet becomes a guest of that name. */
export class Naming {
  readonly #input: HTMLInputElement;
  readonly #client: Client;
  readonly #complain: (message: string) => void;

  constructor(
    form: HTMLFormElement,
    input: HTMLInputElement,
    client: Client,
    complain: (message: string) => void,
  ) {
    this.#input = input;
    this.#client = client;
    this.#complain = complain;
    this.show();
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      input.blur();
    });
    input.addEventListener('change', () => this.#change());
    input.addEventListener('keydown', ({ key }) => {
      if (key !== 'Escape') return;
      this.show();
      input.blur();
    });
  }

  /** The name as the service knows it. */
  show(): void {
    this.#input.value = this.#client.user?.displayName ?? '';
  }

  async #change(): Promise<void> {
    const name = this.#input.value.trim();
    const { user } = this.#client;
    try {
      if (name !== '' && name !== user?.displayName)
        await (user === null ? this.#client.guest(name) : this.#client.rename(name));
    } catch (error) {
      if (!(error instanceof ScoreboardError)) throw error;
      this.#complain(
        error.code === 'unreachable'
          ? 'The name stays: the service does not answer.'
          : `The name stays: ${error.message}`,
      );
    }
    this.show();
  }
}
