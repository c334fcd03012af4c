import { isStill } from './motion.js';

const DURATION_MS = 700;
const FLASH = { duration: 900, easing: 'ease-out', pseudoElement: '::before' } as const;

interface Count {
  readonly from: number;
  readonly to: number;
  readonly start: number;
}

/** Lets numbers count up, or down, to what they have become. The text of the cells is its own affair alone. */
export class Counting {
  readonly #counts = new WeakMap<HTMLElement, Count>();
  readonly #running = new Set<HTMLElement>();
  readonly #flashes = new WeakMap<HTMLElement, Animation>();
  #format = new Intl.NumberFormat();
  #frame = 0;

  set format(format: Intl.NumberFormat) {
    this.#format = format;
  }

  /** A number that is new to its cell is there at once; one that changes also lights up `row` for a moment. */
  show(cell: HTMLElement, to: number, row: HTMLElement): void {
    const now = performance.now();
    const count = this.#counts.get(cell);
    if (count?.to === to && this.#running.has(cell)) return;
    const moves = count !== undefined && count.to !== to && !isStill();
    const next = { from: moves ? valueAt(count, now) : to, to, start: now };
    this.#counts.set(cell, next);
    if (!moves) {
      this.#running.delete(cell);
      this.#write(cell, to);
      return;
    }
    this.#running.add(cell);
    this.#frame ||= requestAnimationFrame(this.#turn);
    if (this.#flashes.get(row)?.playState !== 'running') {
      this.#flashes.set(row, row.animate({ opacity: [1, 0] }, FLASH));
    }
  }

  readonly #turn = (): void => {
    const now = performance.now();
    for (const cell of this.#running) {
      const count = this.#counts.get(cell);
      if (count === undefined) continue;
      this.#write(cell, valueAt(count, now));
      if (now >= count.start + DURATION_MS) this.#running.delete(cell);
    }
    this.#frame = this.#running.size > 0 ? requestAnimationFrame(this.#turn) : 0;
  };

  #write(cell: HTMLElement, value: number): void {
    const text = this.#format.format(value);
    if (cell.textContent !== text) cell.textContent = text;
  }
}

function valueAt({ from, to, start }: Count, now: number): number {
  const left = Math.max(0, 1 - (now - start) / DURATION_MS);
  return left === 0 ? to : Math.round(to - (to - from) * left ** 3);
}
