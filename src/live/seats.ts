/** The right to one stream. Giving it back twice is harmless. */
export interface Seat {
  release(): void;
}

/** Counts the streams, in all and per client address. */
export class Seats {
  #taken = 0;
  readonly #takenBy = new Map<string, number>();

  constructor(
    private readonly max: number,
    private readonly maxPerAddress: number,
  ) {}

  get taken(): number {
    return this.#taken;
  }

  /** Null when all seats, or those of this address, are taken. */
  take(address: string): Seat | null {
    const own = this.#takenBy.get(address) ?? 0;
    if (this.#taken >= this.max || own >= this.maxPerAddress) return null;
    this.#taken++;
    this.#takenBy.set(address, own + 1);
    let released = false;
    return {
      release: () => {
        if (released) return;
        released = true;
        this.#giveBack(address);
      },
    };
  }

  #giveBack(address: string): void {
    this.#taken--;
    const left = (this.#takenBy.get(address) ?? 0) - 1;
    if (left > 0) this.#takenBy.set(address, left);
    else this.#takenBy.delete(address);
  }
}
