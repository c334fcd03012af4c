import { createHook } from 'node:async_hooks';
import { lookup } from 'node:dns/promises';
import { hostname } from 'node:os';
import t from 'tap';
import { type Address, lookups } from '../../src/webhooks/post.js';

const look = (name: string) => lookup(name, { all: true });

t.test('names that hang are looked up one at a time: others need the threads for it as well', async (t) => {
  const underWay = new Set<number>();
  let most = 0;
  const hook = createHook({
    init(id, type) {
      if (type !== 'GETADDRINFOREQWRAP') return;
      underWay.add(id);
      most = Math.max(most, underWay.size);
    },
    before: (id) => void underWay.delete(id),
  }).enable();
  t.teardown(() => hook.disable());
  const resolve = lookups(async () => false, look);
  await Promise.allSettled(['localhost', 'localhost.', hostname()].map(resolve));
  t.equal(most, 1);
});

t.test(
  'a name that is answered does not wait for one that hangs, and is looked up once for all',
  async (t) => {
    let asked = 0;
    const never = new Promise<Address[]>(() => {});
    const resolve = lookups(
      async (name) => name !== 'hangs.example',
      (name) => {
        asked++;
        return name === 'hangs.example' ? never : look(name);
      },
    );
    void resolve('hangs.example');
    const [one, same] = await Promise.all([resolve('localhost'), resolve('localhost')]);
    t.ok(one.length > 0);
    t.equal(one, same);
    t.equal(asked, 2);
  },
);
