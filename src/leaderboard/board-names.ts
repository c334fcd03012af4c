import type { DisplayNames } from '../access/display-names.js';
import { Loop } from '../loop.js';
import type { Entry } from './entry.js';
import { NotReady, type Projection } from './projection.js';

const NAMES_A_QUERY = 1_000;

interface BoardNamesOptions {
  readonly names: DisplayNames;
  /** Whether the board is still in use. */
  readonly isOpen: (projection: Projection) => boolean;
  readonly onError: (error: unknown) => void;
}

/**
 * Reads the display names of boards that were loaded, a thousand with each query and one board after the other, so that
 * readers find them. It ends where the memory for names does: those of the rest are read when they are asked for.
 */
export class BoardNames {
  readonly #options: BoardNamesOptions;
  readonly #due = new Set<Projection>();
  readonly #reads: Loop;

  constructor(options: BoardNamesOptions) {
    this.#options = options;
    this.#reads = new Loop((signal) => this.#readDue(signal), options);
  }

  read(projection: Projection): void {
    this.#due.add(projection);
    this.#reads.request();
  }

  async close(): Promise<void> {
    await this.#reads.stop();
  }

  async #readDue(signal: AbortSignal): Promise<void> {
    for (const projection of this.#due) {
      this.#due.delete(projection);
      try {
        await this.#readNames(projection, signal);
      } catch (error) {
        // Its names are read again when it has been loaded again.
        if (!(error instanceof NotReady)) throw error;
      }
    }
  }

  async #readNames(projection: Projection, signal: AbortSignal): Promise<void> {
    const { names, isOpen } = this.#options;
    let last: Entry | undefined;
    while (names.hasRoom && isOpen(projection) && !signal.aborted) {
      const { entries } = await projection.page(NAMES_A_QUERY, last);
      await names.of(entries.map(({ userId }) => userId));
      last = entries.at(-1);
      if (entries.length < NAMES_A_QUERY) return;
    }
  }
}
