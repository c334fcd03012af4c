const EVERY_MS = 5_000;
/** Related changes arrive in several events. */
const SETTLED_MS = 300;

/** A fact that may be announced: as `text`, if there is one, when `key` differs from the last announcement. */
export interface Fact {
  readonly about: string;
  readonly key: unknown;
  readonly text: string;
}

/** Announces changes to screen readers, at most every five seconds, and then only the newest state. */
export class Announcer {
  #facts: readonly Fact[] = [];
  readonly #said = new Map<string, unknown>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly speak: (text: string) => void) {}

  /** A new fact is not announced, only its later changes. */
  note(facts: readonly Fact[]): void {
    this.#facts = facts;
    for (const { about, key } of facts) if (!this.#said.has(about)) this.#said.set(about, key);
    this.#timer ??= setTimeout(() => this.#say(), SETTLED_MS);
  }

  /** Stops announcing until facts are noted again. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#said.clear();
    this.#facts = [];
  }

  #say(): void {
    const news = this.#facts.filter(({ about, key }) => this.#said.get(about) !== key);
    this.#timer = undefined;
    if (news.length === 0) return;
    for (const { about, key } of news) this.#said.set(about, key);
    this.speak(news.flatMap(({ text }) => text || []).join(' '));
    this.#timer = setTimeout(() => this.#say(), EVERY_MS);
  }
}
