import type { Frames } from './frames.js';
import type { Stream } from './stream.js';

export interface Comparable<F> extends Frames {
  /** Whether a client that was sent the other frames needs not be sent these. */
  equals(other: F): boolean;
}

/**
 * One thing that streams show (the top of a board at one limit, one user's rank, or what happened last) and the streams that show it.
 * They share its frames: one Buffer for all sockets.
 *
 * `revision` moves only when its streams must be written to; the frames are always the newest, so that a stream that
 * joins or drains later is not sent an old version or total.
 */
export class Topic<F extends Comparable<F>> {
  readonly streams = new Set<Stream>();
  #frames: F | null;
  #revision: number;

  constructor(frames: F | null = null) {
    this.#frames = frames;
    this.#revision = frames === null ? 0 : 1;
  }

  /** Null until the source has answered for the first time. */
  get frames(): F | null {
    return this.#frames;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Returns whether the streams must be written to. */
  show(frames: F): boolean {
    const isChange = this.#frames === null || !frames.equals(this.#frames);
    this.#frames = frames;
    if (isChange) this.#revision++;
    return isChange;
  }
}
