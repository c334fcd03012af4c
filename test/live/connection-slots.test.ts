import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { type Seat, Seats } from '../../src/live/seats.js';

t.test('in any order of taking and giving back, no limit is passed and no seat is lost', async () => {
  const step = fc.record({
    address: fc.constantFrom('a', 'b', 'c'),
    release: fc.option(fc.nat(), { freq: 2 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const seats = new Seats(5, 2);
      const handedOut: { address: string; seat: Seat; taken: boolean }[] = [];
      const taken = (address?: string) =>
        handedOut.filter((one) => one.taken && (address === undefined || one.address === address)).length;
      for (const { address, release } of steps) {
        const one = release === null ? undefined : handedOut[release % handedOut.length];
        if (one !== undefined) {
          // Also a second time.
          one.seat.release();
          one.taken = false;
        } else {
          const free = taken() < 5 && taken(address) < 2;
          const seat = seats.take(address);
          assert.equal(seat !== null, free);
          if (seat !== null) handedOut.push({ address, seat, taken: true });
        }
        assert.equal(seats.taken, taken());
      }
    }),
  );
});
