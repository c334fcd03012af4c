import type { Frames } from './frames.js';
import type { Stream } from './stream.js';

export interface News<F> extends Frames {
  /** Whether a client that shows the other needs not hear of this one. */
  equals(other: F): boolean;
}

/**
 * One thing that streams show (the top of a board at one limit, or one user's standing) and the streams that show it.
 * They share its frames: one Buffer for all sockets.
 *
 * `revision` moves only when its streams must hear of a change; the frames are always the newest, so that a stream
 * that joins or drains later is not told an old version or total.
 */
export class Topic<F extends News<F>> {
  readonly streams = new Set<Stream>();
  #frames: F | null = null;
  #revision = 0;

  /** Null until the source has answered for the first time. */
  get frames(): F | null {
    return this.#frames;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Returns whether the streams must hear of it. */
  show(frames: F): boolean {
    const news = this.#frames === null || !frames.equals(this.#frames);
    this.#frames = frames;
    if (news) this.#revision++;
    return news;
  }
}
