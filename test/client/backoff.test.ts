import t from 'tap';
import { backoff } from '../../client/src/backoff.js';

t.test('the back-off has full jitter: from zero to a limit that doubles, up to half a minute', async (t) => {
  const random = (number: number) => t.intercept(Math, 'random', { value: () => number });
  const pauses = () => [0, 1, 2, 3, 4, 5, 6, 2_000].map(backoff);
  const lowest = random(0);
  t.same(new Set(pauses()), new Set([0]));
  lowest.restore();
  const highest = random(1);
  t.same(pauses(), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  highest.restore();
});
