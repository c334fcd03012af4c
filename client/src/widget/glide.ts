import { isStill } from './motion.js';

const GLIDE = { duration: 450, easing: 'cubic-bezier(0.2, 0.8, 0.2, 1)' } as const;
const ENTER = { duration: 300, easing: 'ease-out' } as const;

interface Flight {
  readonly animation: Animation;
  readonly row: HTMLElement;
  /** How many rows away it began. */
  readonly from: number;
}

/**
 * Lets entries glide from where they were to where they are now. The rows of the table stay where they are and take over
 * one another's entries: so a new order costs no layout and is no layout shift, and all that moves are transforms, which
 * the compositor does by itself. Rows are equally high, and percentages know how high: nothing is measured. A row out of
 * sight does not move.
 */
export class Glide {
  #places = new Map<string, number>();
  #flights = new Map<string, Flight>();
  readonly #inSight = new WeakSet<Element>();
  readonly #watched = new WeakSet<Element>();
  readonly #sight = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting) this.#inSight.add(target);
      else this.#inSight.delete(target);
    }
  });

  /** Each row shows the entry of the user at the same place. A user who is new fades in, unless all are. */
  arrange(rows: readonly HTMLElement[], users: readonly string[]): void {
    const before = this.#places;
    const flights = this.#flights;
    const moves = before.size > 0 && !isStill();
    this.#places = new Map(users.map((user, place) => [user, place]));
    this.#flights = new Map();
    for (const [place, row] of rows.entries()) {
      if (!this.#watched.has(row)) {
        this.#watched.add(row);
        this.#sight.observe(row);
      }
      const user = users[place] ?? '';
      const last = before.get(user);
      const flight = flights.get(user);
      if (last === place) {
        if (flight !== undefined) this.#flights.set(user, flight);
        flights.delete(user);
      } else if (moves && this.#inSight.has(row)) {
        const from = last === undefined ? 0 : last - place + (flight === undefined ? 0 : remaining(flight));
        this.#flights.set(user, { animation: journey(row, from), row, from });
      }
    }
    for (const { animation, row } of flights.values()) {
      animation.cancel();
      row.style.zIndex = '';
    }
    for (const [user, { animation, row }] of this.#flights) {
      if (animation.playState !== 'idle') continue;
      animation.onfinish = () => {
        this.#flights.delete(user);
        row.style.zIndex = '';
      };
      animation.play();
    }
    // Who climbs passes in front of who falls.
    for (const { row, from } of this.#flights.values()) row.style.zIndex = from > 0 ? '3' : '';
  }

  /** Forgets where everybody was. */
  reset(): void {
    this.#places = new Map();
  }
}

/** Not begun yet: making one makes the browser work out the style of what has changed, and one that runs is a change. */
function journey(row: HTMLElement, from: number): Animation {
  const effect =
    from === 0
      ? new KeyframeEffect(row, { opacity: [0, 1] }, ENTER)
      : new KeyframeEffect(row, { transform: [`translateY(${from * 100}%)`, 'none'] }, GLIDE);
  return new Animation(effect);
}

/** How many rows an entry still is away; asking its style would make the browser lay out the page. */
function remaining({ animation, from }: Flight): number {
  return from * (1 - (animation.effect?.getComputedTiming().progress ?? 1));
}
