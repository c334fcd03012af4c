import type { Happening, World } from './world.js';

export interface Spark {
  x: number;
  y: number;
  readonly vx: number;
  readonly vy: number;
  /** From 1 to 0. */
  life: number;
  readonly lasts: number;
  readonly text?: string;
}

const SPARKS = 9;
const TRAIL_LENGTH = 30;
const TRAIL_EVERY = 2;

/** Visual effects without influence on the game: sparks, the comet's tail, the shake after a hit. */
export class Effects {
  sparks: Spark[] = [];
  /** Past positions of the comet, newest first. */
  trail: { x: number; y: number }[] = [];
  /** From 1, after a hit, down to 0. */
  shake = 0;
  readonly #calm: () => boolean;

  /** @param calm returns whether to show fewer effects, without shaking */
  constructor(calm: () => boolean) {
    this.#calm = calm;
  }

  clear(): void {
    this.sparks = [];
    this.trail = [];
    this.shake = 0;
  }

  add(happening: Happening): void {
    const { x, y } = happening;
    const count = this.#calm() ? 0 : SPARKS;
    for (let i = 0; i < count; i++) {
      const angle = ((i + Math.random()) / count) * 2 * Math.PI;
      const speed = 8 + Math.random() * 22;
      this.sparks.push({
        x,
        y,
        vx: Math.cos(angle) * speed,
        vy: Math.sin(angle) * speed,
        life: 1,
        lasts: 0.5,
      });
    }
    if (happening.kind === 'hit') {
      this.shake = this.#calm() ? 0 : 1;
    } else if (happening.gain > 0) {
      this.sparks.push({ x, y: y - 3, vx: 0, vy: -9, life: 1, lasts: 0.7, text: `+${happening.gain}` });
    }
  }

  pass(elapsedMs: number): void {
    const seconds = Math.min(elapsedMs, 100) / 1_000;
    this.shake = Math.max(0, this.shake - seconds * 3);
    this.sparks = this.sparks.filter((spark) => {
      spark.x += spark.vx * seconds;
      spark.y += spark.vy * seconds;
      spark.life -= seconds / spark.lasts;
      return spark.life > 0;
    });
  }

  /** Called after each step, so that the tail is equally long on slow and fast screens. */
  follow({ comet, step }: World): void {
    if (step % TRAIL_EVERY !== 0) return;
    this.trail = [{ x: comet.x, y: comet.y }, ...this.trail.slice(0, TRAIL_LENGTH - 1)];
  }
}
