import { prefersReducedMotion } from './motion.js';

const DURATION_MS = 700;
const FLASH = { duration: 900, easing: 'ease-out', pseudoElement: '::before' } as const;

/** A score and the element that shows it. */
export interface Counted {
  /** Identifies the entry when it moves to another row. */
  readonly key: string;
  readonly score: number;
  readonly row: HTMLElement;
  readonly cell: HTMLElement;
}

interface Count extends Counted {
  readonly from: number;
  readonly start: number;
  readonly flash: Animation | undefined;
}

/** Animates scores up or down to their new values. Nothing else writes into their elements. */
export class Counting {
  #counts = new Map<string, Count>();
  #format: (score: number) => string = String;
  #frame = 0;

  /** Shows all scores. A new one is shown at once; a changed one also highlights its row briefly. */
  show(all: readonly Counted[], format: (score: number) => string): void {
    this.#format = format;
    const now = performance.now();
    const before = this.#counts;
    this.#counts = new Map(all.map((counted) => [counted.key, next(counted, before.get(counted.key), now)]));
    for (const [key, { flash }] of before) if (this.#counts.get(key)?.flash !== flash) flash?.cancel();
    this.#turn();
  }

  readonly #turn = (): void => {
    cancelAnimationFrame(this.#frame);
    const now = performance.now();
    let counting = false;
    for (const count of this.#counts.values()) {
      write(count.cell, this.#format(valueAt(count, now)));
      counting ||= isCounting(count, now);
    }
    if (counting) this.#frame = requestAnimationFrame(this.#turn);
  };
}

function next(counted: Counted, before: Count | undefined, now: number): Count {
  const { score, row } = counted;
  if (before === undefined || prefersReducedMotion())
    return { ...counted, from: score, start: 0, flash: undefined };
  const changes = before.score !== score;
  const { from, start } = changes ? { from: valueAt(before, now), start: now } : before;
  return { ...counted, from, start, flash: flashOf(row, before, changes) };
}

/** A highlight in progress moves to another row with its entry. */
function flashOf(row: HTMLElement, { row: last, flash }: Count, changes: boolean): Animation | undefined {
  const isOn = flash?.playState === 'running';
  if (isOn && last === row) return flash;
  if (!isOn && !changes) return undefined;
  const light = row.animate({ opacity: [1, 0] }, FLASH);
  if (isOn) light.currentTime = flash.currentTime;
  return light;
}

const isCounting = ({ score, from, start }: Count, now: number) =>
  score !== from && now < start + DURATION_MS;

function valueAt(count: Count, now: number): number {
  const { score, from, start } = count;
  if (!isCounting(count, now)) return score;
  return Math.round(score - (score - from) * (1 - (now - start) / DURATION_MS) ** 3);
}

function write(cell: HTMLElement, text: string): void {
  // Changing the text node is cheaper than a new one, which needs style and layout.
  if (!(cell.firstChild instanceof Text)) cell.textContent = text;
  else if (cell.firstChild.data !== text) cell.firstChild.data = text;
}
