import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { DisplayNames } from '../../src/access/display-names.js';
import { idFromWords } from '../../src/ids.js';

const MILLION = 1_000_000;
const MAX_BYTES = 100e6;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const heapUsed = (): number => {
  collectGarbage();
  return process.memoryUsage().heapUsed;
};
/** As ids are: the last bits are random. */
const idOf = (n: number) =>
  idFromWords('usr', Uint32Array.of(0x19c0_0000, n, 0, Math.imul(n, 0x9e37_79b1)), 0);
const nameOf = (n: number) => `Player ${n}`;

t.test('a million names are kept in 100 MB, and more do not take more', async (t) => {
  const before = heapUsed();
  const names = new DisplayNames({
    query: async () => {
      throw new Error('A name is not kept');
    },
  });
  const add = (from: number, to: number) => {
    for (let n = from; n < to; n++) names.set(idOf(n), nameOf(n));
  };
  add(0, MILLION);
  t.ok(names.hasRoom, 'they are all kept');
  const bytes = heapUsed() - before;
  t.comment(`${(bytes / 1e6).toFixed(1)} MB`);
  t.ok(bytes <= MAX_BYTES);
  for (let n = 0; n < MILLION; n += 1_000) t.same(await names.of([idOf(n)]), new Map([[idOf(n), nameOf(n)]]));
  add(MILLION, 1.4 * MILLION);
  t.ok(heapUsed() - before <= MAX_BYTES);
  t.same(await names.of([idOf(0)]), new Map([[idOf(0), nameOf(0)]]), 'what was used lately stays');
  await t.rejects(names.of([idOf(1)]), { message: 'A name is not kept' });
});
