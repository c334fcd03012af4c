import t from 'tap';
import { instantOf } from '../../../client/src/widget/since.js';

const HOUR_MS = 3_600_000;
const NOW = Date.parse('2026-06-10T19:20:00.000Z');

t.test('hours are counted back from now, in steps of their twenty-fourth part', async (t) => {
  t.equal(instantOf('24', NOW, 0), '2026-06-09T19:00:00.000Z');
  t.equal(instantOf('24', NOW + 39 * 60_000, 0), '2026-06-09T19:00:00.000Z', 'the same in the same step');
  t.equal(instantOf('24', NOW, 0.5), '2026-06-09T18:00:00.000Z', 'another page goes on later');
  t.equal(instantOf('0.4', NOW, 0), '2026-06-10T18:56:00.000Z');
  for (const hours of [1, 24, 168])
    for (const offset of [0, 0.3, 0.999]) {
      const ago = (NOW - Date.parse(instantOf(`${hours}`, NOW, offset))) / HOUR_MS;
      t.ok(ago >= hours && ago <= hours * (1 + 2 / 24), `${ago} of ${hours} hours`);
    }
});

t.test('anything else is sent as it is, and judged by the service', async (t) => {
  for (const since of ['2026-06-10T19:00:00.000Z', 'yesterday', '0', '-3', 'Infinity', '1e300'])
    t.equal(instantOf(since, NOW, 0), since);
});
