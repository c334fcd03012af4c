import {
  type ActionEvent,
  type Client,
  type ClientOptions,
  createClient,
  type KeyValueStorage,
} from '@scoreboard/client';
import type { Test } from 'tap';

/** A storage that survives clients, as a browser's survives pages. */
export class TestStorage implements KeyValueStorage {
  readonly #values = new Map<string, string>();

  get length(): number {
    return this.#values.size;
  }

  key(place: number): string | null {
    return [...this.#values.keys()][place] ?? null;
  }

  getItem(name: string): string | null {
    return this.#values.get(name) ?? null;
  }

  setItem(name: string, value: string): void {
    this.#values.set(name, value);
  }

  removeItem(name: string): void {
    this.#values.delete(name);
  }

  /** Rewrites the values whose name contains this. */
  change(part: string, rewrite: (text: string) => string): void {
    for (const [name, text] of this.#values) if (name.includes(part)) this.#values.set(name, rewrite(text));
  }

  /** This storage for a tab that does not see yet what others store from now on. */
  behind(): TestStorage {
    return new StorageBehind(this, this.#values);
  }
}

class StorageBehind extends TestStorage {
  readonly #shared: TestStorage;

  constructor(shared: TestStorage, seen: ReadonlyMap<string, string>) {
    super();
    this.#shared = shared;
    for (const [name, text] of seen) super.setItem(name, text);
  }

  override setItem(name: string, value: string): void {
    super.setItem(name, value);
    this.#shared.setItem(name, value);
  }

  override removeItem(name: string): void {
    super.removeItem(name);
    this.#shared.removeItem(name);
  }
}

export interface Player {
  readonly client: Client;
  readonly events: ActionEvent[];
  /** The next event of this type. */
  next(type: ActionEvent['type']): Promise<ActionEvent>;
}

/** A client like that of a game, closed when the test ends. */
export function newPlayer(t: Test, baseUrl: string, options: Partial<ClientOptions> = {}): Player {
  const events: ActionEvent[] = [];
  const unseen: ActionEvent[] = [];
  let wake = () => {};
  const onAction = (event: ActionEvent) => {
    events.push(event);
    unseen.push(event);
    wake();
  };
  const client = createClient({ baseUrl, onAction, ...options });
  t.teardown(() => client.close());
  return {
    client,
    events,
    async next(type) {
      for (;;) {
        const at = unseen.findIndex((event) => event.type === type);
        const [event] = at < 0 ? [] : unseen.splice(at, 1);
        if (event) return event;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
