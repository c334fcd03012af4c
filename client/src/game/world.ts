import { between, type Random, randomFrom } from './random.js';

/**
 * The rules of the game, without a screen: a comet catches chains of lights and avoids rocks. Time passes in equal steps, and
 * random numbers come from a seed, so the same steering always gives the same round.
 */

export const STEPS_PER_SECOND = 120;
export const ROUND_STEPS = 15 * STEPS_PER_SECOND;
const DT = 1 / STEPS_PER_SECOND;

/** Lengths are in units of a field with this area, independent of its shape, so that the game is the same on every screen. */
const AREA = 7_500;
export const COMET_RADIUS = 2.2;
export const LIGHT_RADIUS = 1.25;
/** Units a second. */
const TOP_SPEED = 74;
/** How fast the comet adapts to the requested speed, per second. */
const AGILITY = 9;
/** Lights nearer than this come to the comet. */
const REACH = 7.5;
const PULL = 60;

const CHAIN_EVERY = steps(1.3);
const CHAIN_LENGTH = 5;
const LIGHT_LIVES = steps(3.4);
/** Seconds from one light of a chain to the next. */
const CHAIN_PACE = 0.1;
const BIG_LIGHT = 2;

/** Catch the next light within this time, or the combo ends. */
export const COMBO_STEPS = steps(1.1);
const COMBO_PER_LEVEL = 10;
const TOP_LEVEL = 3;

const ROCK_EVERY = steps(2.1);
const STUNNED_STEPS = steps(0.55);
const SAFE_STEPS = steps(1.4);

/** Direction and speed of the comet: a vector, with length 1 for full speed. */
export interface Steering {
  readonly x: number;
  readonly y: number;
}

export interface Light {
  x: number;
  y: number;
  /** Steps since it appeared; negative before. */
  age: number;
  readonly worth: number;
  /** Position in its chain. */
  readonly place: number;
}

export interface Rock {
  x: number;
  y: number;
  readonly vx: number;
  readonly vy: number;
  readonly radius: number;
  readonly shape: number;
}

export type Happening =
  | {
      readonly kind: 'caught';
      readonly x: number;
      readonly y: number;
      readonly gain: number;
      readonly level: number;
    }
  | { readonly kind: 'hit'; readonly x: number; readonly y: number };

export interface World {
  readonly width: number;
  readonly height: number;
  readonly mostPoints: number;
  readonly random: Random;
  readonly comet: { x: number; y: number; vx: number; vy: number };
  lights: Light[];
  rocks: Rock[];
  /** Steps played. */
  step: number;
  points: number;
  /** Lights caught in a row. */
  combo: number;
  longestCombo: number;
  comboLeft: number;
  stunnedLeft: number;
  safeLeft: number;
}

export interface WorldOptions {
  readonly seed: number;
  /** Width divided by height of the screen. */
  readonly aspect: number;
  /** Maximum points of a round. */
  readonly mostPoints: number;
}

export function newWorld({ seed, aspect, mostPoints }: WorldOptions): World {
  const width = Math.sqrt(AREA * aspect);
  const height = AREA / width;
  return {
    ...{ width, height, mostPoints, random: randomFrom(seed) },
    comet: { x: width / 2, y: height / 2, vx: 0, vy: 0 },
    ...{ lights: [], rocks: [], step: 0, points: 0, combo: 0, longestCombo: 0 },
    ...{ comboLeft: 0, stunnedLeft: 0, safeLeft: 0 },
  };
}

export const isOver = (world: World): boolean => world.step >= ROUND_STEPS;

/** The factor for the worth of a light. */
export const levelOf = ({ combo }: World): number =>
  Math.min(TOP_LEVEL, 1 + Math.floor(combo / COMBO_PER_LEVEL));

export const isStunned = ({ stunnedLeft }: World): boolean => stunnedLeft > 0;

/** Advances the world by one step and returns what happened in it; does nothing when the round is over. */
export function advance(world: World, steering: Steering): Happening[] {
  if (isOver(world)) return [];
  if (world.step % CHAIN_EVERY === 0) world.lights.push(...newChain(world));
  if (world.step % ROCK_EVERY === ROCK_EVERY - 1) world.rocks.push(newRock(world));
  world.step += 1;
  world.comboLeft = Math.max(0, world.comboLeft - 1);
  world.stunnedLeft = Math.max(0, world.stunnedLeft - 1);
  world.safeLeft = Math.max(0, world.safeLeft - 1);
  if (world.comboLeft === 0) world.combo = 0;
  moveComet(world, isStunned(world) ? { x: 0, y: 0 } : steering);
  return [...catchLights(world), ...meetRocks(world)];
}

function moveComet({ comet, width, height }: World, { x, y }: Steering): void {
  const length = Math.hypot(x, y);
  const scale = length > 0 && Number.isFinite(length) ? TOP_SPEED / Math.max(1, length) : 0;
  const share = 1 - Math.exp(-AGILITY * DT);
  comet.vx += ((scale && x * scale) - comet.vx) * share;
  comet.vy += ((scale && y * scale) - comet.vy) * share;
  comet.x = clamp(comet.x + comet.vx * DT, COMET_RADIUS, width - COMET_RADIUS);
  comet.y = clamp(comet.y + comet.vy * DT, COMET_RADIUS, height - COMET_RADIUS);
}

function catchLights(world: World): Happening[] {
  const { comet } = world;
  const caught: Happening[] = [];
  world.lights = world.lights.filter((light) => {
    light.age += 1;
    if (light.age < 0) return true;
    const dx = comet.x - light.x;
    const dy = comet.y - light.y;
    const distance = Math.hypot(dx, dy);
    if (distance < COMET_RADIUS + LIGHT_RADIUS) {
      caught.push(catchLight(world, light));
      return false;
    }
    if (distance < REACH) {
      light.x += (dx / distance) * PULL * DT * (1 - distance / REACH);
      light.y += (dy / distance) * PULL * DT * (1 - distance / REACH);
    }
    return light.age < LIGHT_LIVES;
  });
  return caught;
}

function catchLight(world: World, { x, y, worth }: Light): Happening {
  world.combo += 1;
  world.longestCombo = Math.max(world.longestCombo, world.combo);
  world.comboLeft = COMBO_STEPS;
  const level = levelOf(world);
  const gain = Math.min(worth * level, world.mostPoints - world.points);
  world.points += gain;
  return { kind: 'caught', x, y, gain, level };
}

function meetRocks(world: World): Happening[] {
  const { comet, width, height } = world;
  const margin = 12;
  let hit: Rock | undefined;
  world.rocks = world.rocks.filter((rock) => {
    rock.x += rock.vx * DT;
    rock.y += rock.vy * DT;
    if (Math.hypot(comet.x - rock.x, comet.y - rock.y) < COMET_RADIUS * 0.8 + rock.radius) hit = rock;
    return rock.x > -margin && rock.x < width + margin && rock.y > -margin && rock.y < height + margin;
  });
  if (hit === undefined || world.safeLeft > 0) return [];
  world.combo = 0;
  world.comboLeft = 0;
  world.stunnedLeft = STUNNED_STEPS;
  world.safeLeft = SAFE_STEPS;
  const away = Math.atan2(comet.y - hit.y, comet.x - hit.x);
  comet.vx = Math.cos(away) * TOP_SPEED * 0.6;
  comet.vy = Math.sin(away) * TOP_SPEED * 0.6;
  return [{ kind: 'hit', x: comet.x, y: comet.y }];
}

/** Lights along an arc, the last one big. */
function newChain({ random, width, height }: World): Light[] {
  const inside = () => ({ x: between(random, 8, width - 8), y: between(random, 8, height - 8) });
  const from = inside();
  const angle = between(random, 0, 2 * Math.PI);
  const reach = between(random, 30, 46);
  const bend = between(random, -0.7, 0.7);
  return Array.from({ length: CHAIN_LENGTH }, (_, place) => {
    const way = place / (CHAIN_LENGTH - 1);
    const direction = angle + bend * way;
    return {
      x: mirrored(from.x + Math.cos(direction) * reach * way, 6, width - 6),
      y: mirrored(from.y + Math.sin(direction) * reach * way, 6, height - 6),
      age: -steps(place * CHAIN_PACE),
      worth: place === CHAIN_LENGTH - 1 ? BIG_LIGHT : 1,
      place,
    };
  });
}

/** A rock that comes from outside and flies towards the middle of the field. */
function newRock({ random, width, height }: World): Rock {
  const radius = between(random, 2.8, 4.6);
  const around = between(random, 0, 2 * Math.PI);
  const x = clamp(width / 2 + Math.cos(around) * width, -radius, width + radius);
  const y = clamp(height / 2 + Math.sin(around) * height, -radius, height + radius);
  const aim = Math.atan2(height * between(random, 0.25, 0.75) - y, width * between(random, 0.25, 0.75) - x);
  const speed = between(random, 15, 24);
  return { x, y, vx: Math.cos(aim) * speed, vy: Math.sin(aim) * speed, radius, shape: random() };
}

/** Reflects a value at the edges. */
function mirrored(value: number, low: number, high: number): number {
  if (value < low) return low + (low - value);
  return value > high ? high - (value - high) : value;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

function steps(seconds: number): number {
  return Math.round(seconds * STEPS_PER_SECOND);
}
