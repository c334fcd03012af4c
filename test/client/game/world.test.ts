import fc from 'fast-check';
import t from 'tap';
import { LONGEST_FRAME_MS, Stepper } from '../../../client/src/game/stepper.js';
import {
  advance,
  COMET_RADIUS,
  isOver,
  levelOf,
  newWorld,
  ROUND_STEPS,
  type Steering,
  type World,
} from '../../../client/src/game/world.js';

const seed = fc.integer();
const aspect = fc.double({ min: 0.4, max: 3, noNaN: true });
const mostPoints = fc.integer({ min: 1, max: 300 });
/** All values that input devices may report, and invalid ones. */
const wish = fc.record({ x: fc.double(), y: fc.double() });

/** Steering that changes every tenth of a second. */
const wishes = fc.array(wish, { minLength: 1, maxLength: 150 });
const wishAt = (all: readonly Steering[], step: number): Steering =>
  all[Math.floor(step / 12) % all.length] ?? { x: 0, y: 0 };

/** Straight to the nearest light: better than any player. */
function perfect({ comet, lights }: World): Steering {
  const far = ({ x, y }: { x: number; y: number }) => Math.hypot(x - comet.x, y - comet.y);
  const [nearest] = lights.filter(({ age }) => age > 0).sort((a, b) => far(a) - far(b));
  return nearest === undefined ? { x: 0, y: 0 } : { x: nearest.x - comet.x, y: nearest.y - comet.y };
}

t.test('a round never gives more points than its action allows, and all numbers stay finite', async () => {
  fc.assert(
    fc.property(seed, aspect, mostPoints, wishes, fc.boolean(), (seed, aspect, mostPoints, wishes, good) => {
      const world = newWorld({ seed, aspect, mostPoints });
      let gained = 0;
      while (!isOver(world)) {
        const steering = good ? perfect(world) : wishAt(wishes, world.step);
        for (const happening of advance(world, steering))
          if (happening.kind === 'caught') gained += happening.gain;
        const { comet, width, height, points } = world;
        const things = [comet, ...world.lights, ...world.rocks].flatMap(({ x, y }) => [x, y]);
        if (!things.every(Number.isFinite)) throw new Error(`An invalid number in step ${world.step}`);
        if (comet.x < COMET_RADIUS || comet.x > width - COMET_RADIUS) throw new Error('Out at a side');
        if (comet.y < COMET_RADIUS || comet.y > height - COMET_RADIUS) throw new Error('Out above or below');
        if (!Number.isInteger(points) || points < 0 || points > mostPoints)
          throw new Error(`${points} points`);
        if (world.lights.length > 40 || world.rocks.length > 40) throw new Error('The field fills up');
      }
      return gained === world.points;
    }),
    { numRuns: 60 },
  );
});

t.test('a round lasts 15 seconds at every frame rate', async () => {
  const frames = fc.array(fc.double({ min: 0.5, max: LONGEST_FRAME_MS, noNaN: true }), {
    minLength: 1,
    maxLength: 50,
  });
  fc.assert(
    fc.property(frames, (frames) => {
      const stepper = new Stepper();
      const world = newWorld({ seed: 1, aspect: 1, mostPoints: 100 });
      let passed = 0;
      for (let i = 0; !isOver(world); i++) {
        const frame = frames[i % frames.length] ?? 16;
        passed += frame;
        for (let due = stepper.due(frame); due > 0; due--) advance(world, { x: 0, y: 0 });
      }
      const last = Math.max(...frames);
      return passed > 14_999 && passed < 15_001 + last;
    }),
  );
});

t.test('a round skips the time of a stalled frame, and never runs backwards', async (t) => {
  const stepper = new Stepper();
  const longest = new Stepper().due(LONGEST_FRAME_MS);
  t.equal(stepper.due(60_000), longest, 'a minute counts as the longest frame');
  t.equal(stepper.due(-50), 0);
});

t.test('the same steering from the same seed gives the same round', async () => {
  fc.assert(
    fc.property(seed, aspect, wishes, (seed, aspect, wishes) => {
      const play = () => {
        const world = newWorld({ seed, aspect, mostPoints: 100 });
        while (!isOver(world)) advance(world, wishAt(wishes, world.step));
        const { comet, points, longestCombo } = world;
        return JSON.stringify({ comet, points, longestCombo });
      };
      const first = play();
      return first === play();
    }),
    { numRuns: 20 },
  );
});

t.test('nothing happens after the end', async (t) => {
  const world = newWorld({ seed: 5, aspect: 1.4, mostPoints: 100 });
  while (!isOver(world)) advance(world, perfect(world));
  const { points, step } = world;
  t.same(advance(world, perfect(world)), []);
  t.match(world, { points, step });
  t.equal(step, ROUND_STEPS);
});

t.test('good play earns most of the points, no play almost none', async (t) => {
  const median = (steer: (world: World) => Steering) => {
    const results = Array.from({ length: 31 }, (_, seed) => {
      const world = newWorld({ seed, aspect: 1.3, mostPoints: 100 });
      while (!isOver(world)) advance(world, steer(world));
      return world.points;
    });
    return results.sort((a, b) => a - b)[15] ?? Number.NaN;
  };
  const best = median(perfect);
  const idle = median(() => ({ x: 0, y: 0 }));
  t.comment({ best, idle });
  t.ok(best >= 85, `${best} for a perfect player`);
  t.ok(idle <= 15, `${idle} without steering`);
});

t.test('a combo raises the worth of a light, and a rock ends the combo', async (t) => {
  const world = newWorld({ seed: 2, aspect: 1, mostPoints: 1_000 });
  world.combo = 19;
  world.comboLeft = 60;
  world.lights = [{ x: world.comet.x, y: world.comet.y, age: 10, worth: 2, place: 4 }];
  t.match(advance(world, { x: 0, y: 0 }), [{ kind: 'caught', gain: 6, level: 3 }]);
  t.equal(levelOf(world), 3);
  world.rocks = [{ x: world.comet.x + 1, y: world.comet.y, vx: 0, vy: 0, radius: 3, shape: 0 }];
  t.match(advance(world, { x: 0, y: 0 }), [{ kind: 'hit' }]);
  t.match(world, { combo: 0, points: 6 });
  t.same(advance(world, { x: 0, y: 0 }), [], 'the same rock hits once');
});
