import { Effects } from './effects.js';
import { Field } from './field.js';
import { autopilot, isSteeringKey, Steer } from './steer.js';
import { Stepper } from './stepper.js';
import { advance, isOver, levelOf, newWorld, ROUND_STEPS, type World } from './world.js';

export type Phase = 'idle' | 'playing' | 'paused' | 'finished';

/** The state of a round that the page shows. */
export interface PlayView {
  readonly phase: Phase;
  readonly points: number;
  readonly level: number;
  /** Share of the round's time, from 1 to 0. */
  readonly timeLeft: number;
}

export interface PlayOptions {
  readonly canvas: HTMLCanvasElement;
  /** Whether to reduce motion. */
  readonly calm: () => boolean;
  readonly nextSeed: () => number;
  /** Called after each frame. */
  readonly show: (view: PlayView) => void;
  /** Called at the end of each round. */
  readonly finish: (result: { points: number; longestCombo: number }) => void;
}

/** Plays rounds on a canvas, at the frame rate of the screen; between rounds an autopilot flies the comet. */
export class Play {
  readonly #options: PlayOptions;
  readonly #field: Field;
  readonly #effects: Effects;
  readonly #steer = new Steer();
  #stepper = new Stepper();
  #world: World;
  #phase: Phase = 'idle';
  #before = performance.now();

  constructor(options: PlayOptions) {
    this.#options = options;
    this.#field = new Field(options.canvas);
    this.#effects = new Effects(options.calm);
    this.#world = this.#newWorld(DEMO_MOST_POINTS);
    this.#listen(options.canvas);
    requestAnimationFrame(this.#frame);
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Starts a new round at once, even during a round. */
  start(mostPoints: number): void {
    this.#world = this.#newWorld(mostPoints);
    this.#effects.clear();
    this.#steer.release();
    this.#stepper = new Stepper();
    this.#phase = 'playing';
  }

  pause(): void {
    if (this.#phase !== 'playing') return;
    this.#steer.release();
    this.#phase = 'paused';
  }

  resume(): void {
    if (this.#phase === 'paused') this.#phase = 'playing';
  }

  #newWorld(mostPoints: number): World {
    return newWorld({ seed: this.#options.nextSeed(), aspect: this.#field.aspect, mostPoints });
  }

  #frame = (now: number): void => {
    requestAnimationFrame(this.#frame);
    const elapsed = now - this.#before;
    this.#before = now;
    if (this.#phase === 'playing' || this.#flies()) this.#pass(elapsed);
    this.#field.draw(this.#world, this.#effects);
    this.#options.show({
      phase: this.#phase,
      points: this.#world.points,
      level: levelOf(this.#world),
      timeLeft: 1 - this.#world.step / ROUND_STEPS,
    });
  };

  #flies(): boolean {
    return (this.#phase === 'idle' || this.#phase === 'finished') && !this.#options.calm();
  }

  #pass(elapsed: number): void {
    const playing = this.#phase === 'playing';
    for (let due = this.#stepper.due(elapsed); due > 0; due--) {
      const steering = playing ? this.#steer.towards(this.#world) : autopilot(this.#world);
      const happenings = advance(this.#world, steering);
      if (playing) for (const happening of happenings) this.#effects.add(happening);
      this.#effects.follow(this.#world);
    }
    this.#effects.pass(elapsed);
    if (!isOver(this.#world)) return;
    if (!playing) this.#world = { ...this.#world, step: 0, points: 0, mostPoints: DEMO_MOST_POINTS };
    else {
      this.#phase = 'finished';
      this.#options.finish(this.#world);
    }
  }

  #listen(canvas: HTMLCanvasElement): void {
    const steer = this.#steer;
    addEventListener('keydown', (event) => {
      if (this.#phase !== 'playing' || !isSteeringKey(event.code) || isTyping(event)) return;
      event.preventDefault();
      steer.press(event.code);
    });
    addEventListener('keyup', ({ code }) => steer.lift(code));
    addEventListener('blur', () => steer.release());
    document.addEventListener('visibilitychange', () => document.hidden && this.pause());
    addEventListener('pointermove', (event) => {
      if (this.#phase !== 'playing') return;
      const { x, y } = this.#field.placeOf(event, this.#world);
      if (event.pointerType === 'mouse') steer.point(x, y);
      else if (event.target === canvas) steer.touch(event.pointerId, x, y, this.#world);
    });
    canvas.addEventListener('pointerdown', (event) => {
      if (this.#phase !== 'playing' || event.pointerType === 'mouse') return;
      const { x, y } = this.#field.placeOf(event, this.#world);
      steer.touch(event.pointerId, x, y, this.#world);
    });
    for (const name of ['pointerup', 'pointercancel'] as const)
      addEventListener(name, ({ pointerId }) => steer.untouch(pointerId));
  }
}

/** The autopilot's points are not shown and have no limit. */
const DEMO_MOST_POINTS = Number.MAX_SAFE_INTEGER;

function isTyping({ target }: Event): boolean {
  return target instanceof HTMLInputElement;
}
