import { isStill } from './motion.js';

const GLIDE = { duration: 450, easing: 'cubic-bezier(0.2, 0.8, 0.2, 1)' } as const;
const ENTER = { duration: 300, easing: 'ease-out' } as const;

interface Flight {
  readonly animation: Animation;
  /** Where it began, in pixels below the row's place. */
  readonly from: number;
}

/**
 * Lets rows glide from where they were to where they are now. Rows are equally high, so their order says where they are,
 * and nothing is measured but one height; only transforms and opacity move, which the compositor does by itself.
 */
export class Glide {
  #places = new Map<HTMLElement, number>();
  readonly #flights = new Map<HTMLElement, Flight>();

  /** To be called whenever the order may have changed. A row that is new fades in, unless all are. */
  arrange(rows: readonly HTMLElement[]): void {
    const places = new Map(rows.map((row, place) => [row, place]));
    const before = this.#places;
    this.#places = places;
    if (before.size === 0 || isStill()) return;
    let height = 0;
    for (const [row, place] of places) {
      const last = before.get(row);
      if (last === place) continue;
      if (last === undefined) {
        row.animate({ opacity: [0, 1] }, ENTER);
        continue;
      }
      height ||= row.offsetHeight;
      this.#fly(row, (last - place) * height);
    }
  }

  /** Forgets where rows were. */
  reset(): void {
    this.#places = new Map();
  }

  #fly(row: HTMLElement, distance: number): void {
    const old = this.#flights.get(row);
    const from = distance + (old === undefined ? 0 : remaining(old));
    old?.animation.cancel();
    const animation = row.animate({ transform: [`translateY(${from}px)`, 'none'] }, GLIDE);
    // Who climbs passes in front of who falls.
    row.style.zIndex = from > 0 ? '1' : '';
    const flight = { animation, from };
    this.#flights.set(row, flight);
    animation.onfinish = () => {
      if (this.#flights.get(row) !== flight) return;
      this.#flights.delete(row);
      row.style.zIndex = '';
    };
  }
}

/** How far off its place a row still is; asking its style would make the browser lay out the page. */
function remaining({ animation, from }: Flight): number {
  return from * (1 - (animation.effect?.getComputedTiming().progress ?? 1));
}
