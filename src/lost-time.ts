/** A turn that comes later than this after the last one is late, in milliseconds. */
const TURN_WITHIN_MS = 50;

let lostMs = 0;
let last = performance.now();

/**
 * For how long this process has had no turn since it started, in milliseconds: it was stopped, waited for a processor, or
 * something blocked its loop. A limit that passed meanwhile says nothing about whom it was set for.
 */
export function lostTime(): number {
  const now = performance.now();
  lostMs += Math.max(0, now - last - TURN_WITHIN_MS);
  last = now;
  return lostMs;
}

setInterval(lostTime, TURN_WITHIN_MS / 2).unref();
