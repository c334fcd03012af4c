/** The right to hold one stream open. Releasing it twice is harmless. */
export interface ConnectionSlot {
  release(): void;
}

/** Bounds the open streams, in all and per client address. */
export class ConnectionSlots {
  readonly #max: number;
  readonly #maxPerAddress: number;
  #taken = 0;
  readonly #takenBy = new Map<string, number>();

  constructor(max: number, maxPerAddress: number) {
    this.#max = max;
    this.#maxPerAddress = maxPerAddress;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Null when all slots, or those of this address, are taken. */
  take(address: string): ConnectionSlot | null {
    const own = this.#takenBy.get(address) ?? 0;
    if (this.#taken >= this.#max || own >= this.#maxPerAddress) return null;
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
