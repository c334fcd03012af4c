import fc from 'fast-check';
import t from 'tap';
import { instant } from '../src/clock.js';

/** The first and the last time that a Date holds, in milliseconds. */
const LIMIT = 8_640_000_000_000_000;

t.test('a time is written as a Date writes it, whatever was written before', async () => {
  const time = fc.integer({ min: -LIMIT, max: LIMIT });
  const near = fc.array(fc.integer({ min: -1_500, max: 1_500 }), { maxLength: 5 });
  fc.assert(
    fc.property(time, near, (ms, steps) =>
      [0, ...steps]
        .map((step) => Math.min(Math.max(ms + step, -LIMIT), LIMIT))
        .every((at) => instant(at) === new Date(at).toISOString()),
    ),
  );
});

t.test('a time that no Date holds is none', async (t) => {
  t.throws(() => instant(LIMIT + 1_000), RangeError);
  t.throws(() => instant(Number.NaN), RangeError);
});
