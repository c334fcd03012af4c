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

  /** False when all slots, or those of this address, are taken. */
  take(address: string): boolean {
    const own = this.#takenBy.get(address) ?? 0;
    if (this.#taken >= this.#max || own >= this.#maxPerAddress) return false;
    this.#taken++;
    this.#takenBy.set(address, own + 1);
    return true;
  }

  /** Gives a slot of this address back. */
  release(address: string): void {
    const own = this.#takenBy.get(address) ?? 0;
    if (own === 0) return;
    this.#taken--;
    if (own > 1) this.#takenBy.set(address, own - 1);
    else this.#takenBy.delete(address);
  }
}
