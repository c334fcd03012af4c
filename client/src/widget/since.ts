const MOST_HOURS = 100_000;
const HOUR_MS = 3_600_000;
const STEPS = 24;
/** Where in a step this page goes on to the next: not all pages ask at once. */
const OFFSET = Math.random();

/**
 * A number is of hours before now, or up to a twelfth more: in steps, so that pages ask for the same and the service computes it
 * once. Anything else is an instant.
 */
export function instantOf(since: string, now = Date.now(), offset = OFFSET): string {
  const step = (Number(since) * HOUR_MS) / STEPS;
  if (!(step > 0 && step < MOST_HOURS * HOUR_MS)) return since;
  return new Date((Math.floor(now / step - offset) - STEPS) * step).toISOString();
}
