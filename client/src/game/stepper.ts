import { STEPS_PER_SECOND } from './world.js';

const STEP_MS = 1_000 / STEPS_PER_SECOND;
/** A longer frame is a hiccup of the machine: the round waits for it instead of jumping. */
export const LONGEST_FRAME_MS = 250;

/** Turns frames of any length into whole steps of the world; what is left over counts for the next frame. */
export class Stepper {
  #left = 0;

  /** The steps that are due after so many milliseconds more. */
  due(elapsedMs: number): number {
    this.#left += Math.min(Math.max(elapsedMs, 0), LONGEST_FRAME_MS);
    const steps = Math.floor(this.#left / STEP_MS);
    this.#left -= steps * STEP_MS;
    return steps;
  }
}
