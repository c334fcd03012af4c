import type { Steering, World } from './world.js';

/** Within this distance, in units of the field, the comet slows down. */
const NEAR = 6;
/** The comet moves farther than the finger, which would otherwise cover it. */
const FINGER_GAIN = 1.5;
const STILL: Steering = { x: 0, y: 0 };

const KEYS: Readonly<Record<string, Steering>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
  KeyA: { x: -1, y: 0 },
  KeyD: { x: 1, y: 0 },
  KeyW: { x: 0, y: -1 },
  KeyS: { x: 0, y: 1 },
};

export const isSteeringKey = (code: string): boolean => code in KEYS;

/** Combines keys, mouse and touch into one direction. The last used input decides. */
export class Steer {
  readonly #pressed = new Set<string>();
  #goal: { x: number; y: number } | undefined;
  #finger: { id: number; x: number; y: number } | undefined;

  /** Releases all inputs, for example when the window loses the focus. */
  release(): void {
    this.#pressed.clear();
    this.#goal = undefined;
    this.#finger = undefined;
  }

  press(code: string): void {
    this.#pressed.add(code);
    this.#goal = undefined;
  }

  lift(code: string): void {
    this.#pressed.delete(code);
  }

  /** Moves the comet to the mouse, in units of the field. */
  point(x: number, y: number): void {
    this.#goal = { x, y };
  }

  /** A finger steers by its movement, wherever it touches the field. Only the first finger counts. */
  touch(id: number, x: number, y: number, { comet, width, height }: World): void {
    if (this.#finger?.id === id && this.#goal !== undefined) {
      this.#goal = {
        x: within(this.#goal.x + (x - this.#finger.x) * FINGER_GAIN, width),
        y: within(this.#goal.y + (y - this.#finger.y) * FINGER_GAIN, height),
      };
    } else if (this.#finger === undefined || this.#finger.id === id) {
      this.#goal = { x: comet.x, y: comet.y };
    } else return;
    this.#finger = { id, x, y };
  }

  untouch(id: number): void {
    if (this.#finger?.id === id) this.#finger = undefined;
  }

  towards({ comet }: World): Steering {
    const goal = this.#goal;
    if (goal !== undefined) return { x: (goal.x - comet.x) / NEAR, y: (goal.y - comet.y) / NEAR };
    let { x, y } = STILL;
    for (const code of this.#pressed) {
      x += KEYS[code]?.x ?? 0;
      y += KEYS[code]?.y ?? 0;
    }
    return { x, y };
  }
}

/** Steers between rounds: slowly to the nearest light. */
export function autopilot({ comet, lights }: World): Steering {
  const distance = ({ x, y }: { x: number; y: number }) => Math.hypot(x - comet.x, y - comet.y);
  const [nearest] = lights.filter(({ age }) => age > 0).sort((a, b) => distance(a) - distance(b));
  if (nearest === undefined) return STILL;
  const pace = 0.55 / Math.max(NEAR, distance(nearest));
  return { x: (nearest.x - comet.x) * pace, y: (nearest.y - comet.y) * pace };
}

function within(value: number, size: number): number {
  return Math.min(Math.max(value, 0), size);
}
