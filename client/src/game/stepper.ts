import { STEPS_PER_SECOND } from './world.js';

const STEP_MS = 1_000 / STEPS_PER_SECOND;
/** Longer frames are cut to this time, so that the round does not jump after a stall. */
export const LONGEST_FRAME_MS = 250;

/** Converts frames of any length into whole steps of the world; the remainder counts for the next frame. */
export class Stepper {
  #left = 0;

  /** Returns the number of steps that are due after `elapsedMs` more milliseconds. */
  due(elapsedMs: number): number {
    this.#left += Math.min(Math.max(elapsedMs, 0), LONGEST_FRAME_MS);
    const steps = Math.floor(this.#left / STEP_MS);
    this.#left -= steps * STEP_MS;
    return steps;
  }
}
