import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { ConnectionSlots } from '../../src/live/connection-slots.js';

t.test('in any order of taking and giving back, no limit is passed and no slot is lost', async () => {
  const step = fc.record({
    address: fc.constantFrom('a', 'b', 'c'),
    release: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const slots = new ConnectionSlots(5, 2);
      const taken: string[] = [];
      for (const { address, release } of steps) {
        if (release) {
          const at = taken.indexOf(address);
          // An address that holds nothing gives nothing back.
          if (at >= 0) taken.splice(at, 1);
          slots.release(address);
        } else {
          const free = taken.length < 5 && taken.filter((other) => other === address).length < 2;
          assert.equal(slots.take(address), free);
          if (free) taken.push(address);
        }
        assert.equal(slots.taken, taken.length);
      }
    }),
  );
});
