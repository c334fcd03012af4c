import type { Client } from '../client.js';
import { ScoreboardError } from '../problem.js';

/** The input with the player's name. Without a session, entering a name creates a guest with that name. */
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

  /** Shows the name that the service has. */
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
          ? 'The name stays: the service does not respond.'
          : `The name stays: ${error.message}`,
      );
    }
    this.show();
  }
}
