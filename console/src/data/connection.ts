/** Whether the service answers. Everybody who shows data listens, so that nothing old is taken for new. */
class Connection extends EventTarget {
  #isLost = !navigator.onLine;

  constructor() {
    super();
    addEventListener('offline', () => this.set(true));
    // Whether the service answers is known by the next request, which this asks for.
    addEventListener('online', () => this.dispatchEvent(new Event('retry')));
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  set(isLost: boolean): void {
    if (isLost === this.#isLost) return;
    this.#isLost = isLost;
    this.dispatchEvent(new Event('change'));
  }
}

export const connection = new Connection();
