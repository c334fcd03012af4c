import t from 'tap';
import { FIRST_PACE, paceAfter } from '../../src/imports/pace.js';

t.test('a page that held players is followed by a pause as long as it took', async (t) => {
  const pauseAfter = (heldMs: number) => paceAfter(FIRST_PACE, { workMs: 1, heldMs }).pauseMs;
  t.equal(pauseAfter(400), 400);
  t.equal(pauseAfter(3), 100);
  t.equal(pauseAfter(60_000), 500);
  t.equal(pauseAfter(0), 0);
});

t.test('pages grow while they are quick, and shrink while they are slow, within bounds', async (t) => {
  const rowsAfter = (...pages: number[]) =>
    pages.reduce((pace, workMs) => paceAfter(pace, { workMs, heldMs: 5_000 }), FIRST_PACE).rows;
  t.equal(rowsAfter(10), 500);
  t.equal(rowsAfter(10, 10, 10, 10, 10), 1_000);
  t.equal(rowsAfter(10, 600), 500);
  t.equal(rowsAfter(10, 600, 1_200), 250);
  t.equal(rowsAfter(2_000, 2_000), 250);
});
