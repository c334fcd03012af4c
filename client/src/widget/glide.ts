import { prefersReducedMotion } from './motion.js';

const GLIDE = { duration: 450, easing: 'cubic-bezier(0.2, 0.8, 0.2, 1)' } as const;
const ENTER = { duration: 300, easing: 'ease-out' } as const;

interface Flight {
  readonly animation: Animation;
  readonly row: HTMLElement;
  /** Distance at the start, in rows. */
  readonly from: number;
}

/**
 * Animates entries from their old place to the new one. The rows of the table stay in place and take over each other's entries,
 * so a new order needs no layout and causes no layout shift; only transforms are animated, by the compositor. All rows have the
 * same height and distances are percentages of it, so nothing is measured. Rows out of sight are not animated.
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

  /** Row i shows the entry of user i. A new user fades in, unless all are new. */
  arrange(rows: readonly HTMLElement[], users: readonly string[]): void {
    const before = this.#places;
    const flights = this.#flights;
    const moves = before.size > 0 && !prefersReducedMotion();
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
    // Climbing entries are drawn above falling ones.
    for (const { row, from } of this.#flights.values()) row.style.zIndex = from > 0 ? '3' : '';
  }

  /** Forgets the places of all users. */
  reset(): void {
    this.#places = new Map();
  }
}

/** Not started yet: creating an animation recomputes changed styles, and a running animation changes styles. */
function journey(row: HTMLElement, from: number): Animation {
  const effect =
    from === 0
      ? new KeyframeEffect(row, { opacity: [0, 1] }, ENTER)
      : new KeyframeEffect(row, { transform: [`translateY(${from * 100}%)`, 'none'] }, GLIDE);
  return new Animation(effect);
}

/** The current distance of an entry, in rows. Reading its style instead would force a layout. */
function remaining({ animation, from }: Flight): number {
  return from * (1 - (animation.effect?.getComputedTiming().progress ?? 1));
}
