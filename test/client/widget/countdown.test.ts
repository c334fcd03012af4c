import t from 'tap';
import { durationIn, untilNext } from '../../../client/src/widget/countdown.js';

t.test('a duration is told in its two largest units, in a language', async (t) => {
  const hours = 3_600_000;
  t.equal(durationIn('en', 51 * hours + 59_000), '2 days 3 hr');
  t.equal(durationIn('de', 3 * hours + 120_000), '3 Std., 2 Min.');
  t.equal(durationIn('en', 61_000), '1 min 1 sec');
  t.equal(durationIn('en', 1), '1 sec');
  t.equal(durationIn('en', -5), '0 sec');
});

t.test('a text is written anew when it no longer holds', async (t) => {
  t.equal(untilNext(61_250), 250);
  t.equal(untilNext(3_600_000 + 90_000), 30_000);
  t.equal(untilNext(5_000), 1_000);
});
