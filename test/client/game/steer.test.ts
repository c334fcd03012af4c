import t from 'tap';
import { Steer } from '../../../client/src/game/steer.js';
import { newWorld } from '../../../client/src/game/world.js';

const newField = () => newWorld({ seed: 1, aspect: 1, mostPoints: 100 });

t.test('pressed keys add up, and a released key no longer counts', async (t) => {
  const steer = new Steer();
  const world = newField();
  steer.press('ArrowRight');
  steer.press('KeyW');
  t.same(steer.towards(world), { x: 1, y: -1 });
  steer.lift('KeyW');
  t.same(steer.towards(world), { x: 1, y: 0 });
  steer.release();
  t.same(steer.towards(world), { x: 0, y: 0 });
});

t.test('the last used input steers: mouse or keys', async (t) => {
  const steer = new Steer();
  const world = newField();
  steer.press('ArrowLeft');
  steer.point(world.comet.x + 12, world.comet.y);
  t.same(steer.towards(world), { x: 2, y: 0 });
  steer.press('ArrowLeft');
  t.same(steer.towards(world), { x: -1, y: 0 });
});

t.test('a finger steers relative to where it was put down; a second finger is ignored', async (t) => {
  const steer = new Steer();
  const world = newField();
  steer.touch(1, 5, 5, world);
  t.same(steer.towards(world), { x: 0, y: 0 });
  steer.touch(2, 80, 80, world);
  steer.touch(1, 9, 5, world);
  t.same(steer.towards(world), { x: 1, y: 0 });
  steer.untouch(1);
  t.same(steer.towards(world), { x: 1, y: 0 }, 'the comet still moves to its target');
  steer.touch(2, 50, 50, world);
  t.same(steer.towards(world), { x: 0, y: 0 }, 'the next finger starts from zero');
});
