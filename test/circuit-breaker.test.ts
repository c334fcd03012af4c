import t from 'tap';
import { CircuitBreaker } from '../src/circuit-breaker.js';

t.test('a breaker is open for its time after each failure, and closed otherwise', (t) => {
  t.notOk(new CircuitBreaker(60_000).isOpen);
  const open = new CircuitBreaker(60_000);
  open.trip();
  t.ok(open.isOpen);
  const closedAgain = new CircuitBreaker(0);
  closedAgain.trip();
  t.notOk(closedAgain.isOpen);
  t.end();
});
