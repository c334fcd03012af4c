import { isStill } from './motion.js';

const GLIDE = { duration: 450, easing: 'cubic-bezier(0.2, 0.8, 0.2, 1)' } as const;
const ENTER = { duration: 300, easing: 'ease-out' } as const;

interface Flight {
  readonly animation: Animation;
  /** Distances from the top, in pixels. */
  readonly from: number;
  readonly to: number;
}

/**
 * Lets rows glide from where they were to where they are now. Their place is a transform too (`--_place` in the style
 * sheet), so a new order is no layout shift, and all that moves is moved by the compositor. Rows are equally high: nothing
 * is measured but that height.
 */
export class Glide {
  #places = new Map<HTMLElement, number>();
  readonly #flights = new Map<HTMLElement, Flight>();

  /** To be called whenever the order may have changed. A row that is new fades in, unless all are. */
  arrange(rows: readonly HTMLElement[]): void {
    const before = this.#places;
    const moves = before.size > 0 && !isStill();
    const height = rows[0]?.offsetHeight ?? 0;
    this.#places = new Map(rows.map((row, place) => [row, place]));
    for (const [row, place] of this.#places) {
      const last = before.get(row);
      if (last === place) continue;
      row.style.setProperty('--_place', String(place));
      if (!moves) continue;
      if (last === undefined) row.animate({ opacity: [0, 1] }, ENTER);
      else this.#fly(row, last * height, place * height);
    }
  }

  /** Forgets where rows were. */
  reset(): void {
    this.#places = new Map();
  }

  #fly(row: HTMLElement, place: number, to: number): void {
    const old = this.#flights.get(row);
    const from = old === undefined ? place : whereabouts(old);
    old?.animation.cancel();
    const animation = row.animate({ transform: [`translateY(${from}px)`, `translateY(${to}px)`] }, GLIDE);
    // Who climbs passes in front of who falls.
    row.style.zIndex = to < from ? '1' : '';
    const flight = { animation, from, to };
    this.#flights.set(row, flight);
    animation.onfinish = () => {
      if (this.#flights.get(row) !== flight) return;
      this.#flights.delete(row);
      row.style.zIndex = '';
    };
  }
}

/** Where a row is on its way; asking its style would make the browser lay out the page. */
function whereabouts({ animation, from, to }: Flight): number {
  return from + (to - from) * (animation.effect?.getComputedTiming().progress ?? 1);
}
