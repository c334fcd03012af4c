const EVERY_MS = 5_000;
/** What changes together comes in several events. */
const SETTLED_MS = 300;

/** Something that may be said: `text`, whenever `key` is another than it was when this was last said. */
export interface Fact {
  readonly about: string;
  readonly key: unknown;
  readonly text: string;
}

/** Tells people who listen what has changed, at most every five seconds, and then only how it is by now. */
export class Announcer {
  #facts: readonly Fact[] = [];
  readonly #said = new Map<string, unknown>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly speak: (text: string) => void) {}

  /** A fact that comes for the first time is not said. */
  note(facts: readonly Fact[]): void {
    this.#facts = facts;
    for (const { about, key } of facts) if (!this.#said.has(about)) this.#said.set(about, key);
    this.#timer ??= setTimeout(() => this.#say(), SETTLED_MS);
  }

  /** Says nothing any more, until there is something to note again. */
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
    this.speak(news.map(({ text }) => text).join(' '));
    this.#timer = setTimeout(() => this.#say(), EVERY_MS);
  }
}
