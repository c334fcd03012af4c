import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { type ConnectionSlot, ConnectionSlots } from '../../src/live/connection-slots.js';

t.test('in any order of taking and giving back, no limit is passed and no slot is lost', async () => {
  const step = fc.record({
    address: fc.constantFrom('a', 'b', 'c'),
    release: fc.option(fc.nat(), { freq: 2 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const slots = new ConnectionSlots(5, 2);
      const handedOut: { address: string; slot: ConnectionSlot; taken: boolean }[] = [];
      const taken = (address?: string) =>
        handedOut.filter((one) => one.taken && (address === undefined || one.address === address)).length;
      for (const { address, release } of steps) {
        const one = release === null ? undefined : handedOut[release % handedOut.length];
        if (one !== undefined) {
          // Also a second time.
          one.slot.release();
          one.taken = false;
        } else {
          const free = taken() < 5 && taken(address) < 2;
          const slot = slots.take(address);
          assert.equal(slot !== null, free);
          if (slot !== null) handedOut.push({ address, slot, taken: true });
        }
        assert.equal(slots.taken, taken());
      }
    }),
  );
});
