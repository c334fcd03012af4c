import t from 'tap';
import { MinuteCounts } from '../../src/observability/minute-counts.js';

const at = (minute: number, second = 0) => (minute * 60 + second) * 1_000;

t.test('what is counted leaves with its minute', async (t) => {
  const counts = new MinuteCounts(3);
  counts.add(at(100));
  counts.add(at(100, 59));
  counts.add(at(101));
  t.same(counts.read(at(101)), [0, 2, 1], 'the oldest first');
  t.same(counts.read(at(102)), [2, 1, 0]);
  t.same(counts.read(at(103, 30)), [1, 0, 0]);
  counts.add(at(103, 31));
  t.same(counts.read(at(103, 31)), [1, 0, 1]);
  t.same(counts.read(at(1_000_000)), [0, 0, 0], 'after a long silence');
});

t.test('a clock that is set back counts in the minute before', async (t) => {
  const counts = new MinuteCounts(2);
  counts.add(at(10));
  counts.add(at(9));
  t.same(counts.read(at(9)), [0, 2]);
});
