import type { Effects } from './effects.js';
import { between, randomFrom } from './random.js';
import {
  COMBO_STEPS,
  COMET_RADIUS,
  isStunned,
  LIGHT_RADIUS,
  type Light,
  levelOf,
  type Rock,
  STEPS_PER_SECOND,
  type World,
} from './world.js';

/** The field has the colours of the night, independent of those of the page. */
const NIGHT = ['#18203a', '#0c1122'] as const;
const DUST = '#aab6d8';
const LIGHT = '#ffc46b';
const BIG_LIGHT = '#ffe3b0';
const COMET = '#fff8ec';
const ROCK = '#4c5672';
const ROCK_EDGE = '#8d98b8';
const TWO_PI = 2 * Math.PI;

/** Draws the world on a canvas, at the resolution of the screen. */
export class Field {
  readonly #canvas: HTMLCanvasElement;
  readonly #pen: CanvasRenderingContext2D;
  readonly #glow = glowOf(LIGHT);
  readonly #dust: { x: number; y: number; depth: number }[];

  constructor(canvas: HTMLCanvasElement) {
    const pen = canvas.getContext('2d', { alpha: false });
    if (pen === null) throw new Error('This browser has no canvas.');
    this.#canvas = canvas;
    this.#pen = pen;
    const random = randomFrom(7);
    this.#dust = Array.from({ length: 90 }, () => ({
      x: random(),
      y: random(),
      depth: between(random, 0.2, 1),
    }));
  }

  /** Width divided by height of the canvas. */
  get aspect(): number {
    const { clientWidth, clientHeight } = this.#canvas;
    return clientWidth / Math.max(1, clientHeight) || 1;
  }

  /** Converts pixels of the window to units of the field. */
  placeOf({ clientX, clientY }: { clientX: number; clientY: number }, { width, height }: World) {
    const { left, top, width: wide, height: high } = this.#canvas.getBoundingClientRect();
    return { x: ((clientX - left) / wide) * width, y: ((clientY - top) / high) * height };
  }

  draw(world: World, effects: Effects): void {
    const pen = this.#pen;
    const scale = this.#fit(world);
    const shake = effects.shake ** 2 * 1.4;
    const tremble = () => (Math.random() - 0.5) * shake;
    pen.setTransform(scale, 0, 0, scale, tremble() * scale, tremble() * scale);
    this.#drawNight(world);
    for (const light of world.lights) this.#drawLight(light);
    this.#drawTrail(effects);
    this.#drawComet(world);
    for (const rock of world.rocks) this.#drawRock(rock);
    this.#drawSparks(effects);
  }

  /** @returns pixels of the screen per unit */
  #fit({ width }: World): number {
    const canvas = this.#canvas;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const wide = Math.round(canvas.clientWidth * ratio);
    const high = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
    return wide / width;
  }

  #drawNight({ width, height, comet }: World): void {
    const pen = this.#pen;
    const night = pen.createRadialGradient(
      width * 0.5,
      height * 0.35,
      0,
      width * 0.5,
      height * 0.5,
      width * 0.75,
    );
    night.addColorStop(0, NIGHT[0]);
    night.addColorStop(1, NIGHT[1]);
    pen.fillStyle = night;
    // A canvas that was made higher since the round was dealt is dark to its edge.
    const high = Math.max(height, (width * this.#canvas.height) / this.#canvas.width);
    pen.fillRect(-5, -5, width + 10, high + 10);
    pen.fillStyle = DUST;
    for (const { x, y, depth } of this.#dust) {
      pen.globalAlpha = 0.1 + depth * 0.35;
      const size = 0.16 + depth * 0.22;
      // Near dust moves slightly against the comet.
      const drift = -depth * 0.05;
      pen.fillRect(
        x * width + (comet.x - width / 2) * drift,
        y * height + (comet.y - height / 2) * drift,
        size,
        size,
      );
    }
    pen.globalAlpha = 1;
  }

  #drawLight({ x, y, age, worth, place }: Light): void {
    if (age < 0) return;
    const pen = this.#pen;
    const seconds = age / STEPS_PER_SECOND;
    const grown = Math.min(1, seconds / 0.16);
    const fading = Math.min(1, Math.max(0, (3.4 - seconds) / 0.7));
    const twinkle = 1 + 0.1 * Math.sin(seconds * 7 + place);
    const size = LIGHT_RADIUS * (worth > 1 ? 2.1 : 1.45) * grown * twinkle * (0.4 + 0.6 * fading);
    pen.globalAlpha = 0.75 * fading;
    pen.drawImage(this.#glow, x - size * 2.6, y - size * 2.6, size * 5.2, size * 5.2);
    pen.globalAlpha = fading;
    pen.fillStyle = worth > 1 ? BIG_LIGHT : LIGHT;
    pen.beginPath();
    pen.moveTo(x, y - size);
    for (let corner = 1; corner <= 4; corner++) {
      const angle = (corner * Math.PI) / 2;
      pen.quadraticCurveTo(x, y, x + Math.sin(angle) * size, y - Math.cos(angle) * size);
    }
    pen.fill();
    pen.globalAlpha = 1;
  }

  /** Draws the tail as one shape, because overlaps of several pieces would be visible. */
  #drawTrail({ trail }: Effects): void {
    const [head, tail] = [trail[0], trail.at(-1)];
    if (head === undefined || tail === undefined || trail.length < 3) return;
    const pen = this.#pen;
    const edge = (i: number, side: number) => {
      const [from, to] = [
        trail[Math.min(i + 1, trail.length - 1)] ?? tail,
        trail[Math.max(i - 1, 0)] ?? head,
      ];
      const along = Math.atan2(to.y - from.y, to.x - from.x);
      const half = side * COMET_RADIUS * 0.78 * (1 - i / (trail.length - 1));
      const { x, y } = trail[i] ?? head;
      pen.lineTo(x - Math.sin(along) * half, y + Math.cos(along) * half);
    };
    const fading = pen.createLinearGradient(head.x, head.y, tail.x, tail.y);
    fading.addColorStop(0, `${LIGHT}d0`);
    fading.addColorStop(1, `${LIGHT}00`);
    pen.fillStyle = fading;
    pen.beginPath();
    for (let i = 0; i < trail.length; i++) edge(i, 1);
    for (let i = trail.length - 1; i >= 0; i--) edge(i, -1);
    pen.fill();
  }

  #drawComet(world: World): void {
    const pen = this.#pen;
    const { x, y } = world.comet;
    const size = COMET_RADIUS;
    // After a hit it blinks while nothing can hit it again.
    pen.globalAlpha = world.safeLeft > 0 && world.safeLeft % 24 < 12 ? 0.35 : 1;
    pen.drawImage(this.#glow, x - size * 3.2, y - size * 3.2, size * 6.4, size * 6.4);
    pen.fillStyle = isStunned(world) ? ROCK_EDGE : COMET;
    pen.beginPath();
    pen.arc(x, y, size * 0.82, 0, TWO_PI);
    pen.fill();
    pen.globalAlpha = 1;
    if (world.comboLeft === 0 || world.combo < 2) return;
    // The remaining time of the combo.
    const left = world.comboLeft / COMBO_STEPS;
    pen.strokeStyle = LIGHT;
    pen.lineWidth = 0.35 * levelOf(world);
    pen.globalAlpha = 0.85;
    pen.beginPath();
    pen.arc(x, y, size * 1.7, -Math.PI / 2, -Math.PI / 2 + TWO_PI * left);
    pen.stroke();
    pen.globalAlpha = 1;
  }

  #drawRock({ x, y, radius, shape }: Rock): void {
    const pen = this.#pen;
    const corners = 9;
    const turned = shape * TWO_PI + (x + y) * 0.02;
    pen.beginPath();
    for (let i = 0; i < corners; i++) {
      const angle = turned + (i / corners) * TWO_PI;
      const length = radius * (0.86 + 0.2 * Math.sin(shape * 40 + i * 2.4));
      pen.lineTo(x + Math.cos(angle) * length, y + Math.sin(angle) * length);
    }
    pen.closePath();
    pen.fillStyle = ROCK;
    pen.fill();
    pen.strokeStyle = ROCK_EDGE;
    pen.lineWidth = 0.3;
    pen.stroke();
  }

  #drawSparks({ sparks }: Effects): void {
    const pen = this.#pen;
    pen.textAlign = 'center';
    pen.font = '600 3px system-ui, sans-serif';
    for (const { x, y, life, text } of sparks) {
      pen.globalAlpha = Math.min(1, life * 1.6);
      pen.fillStyle = text === undefined ? LIGHT : COMET;
      if (text !== undefined) pen.fillText(text, x, y);
      else pen.fillRect(x - life * 0.4, y - life * 0.4, life * 0.8, life * 0.8);
    }
    pen.globalAlpha = 1;
  }
}

/** Drawn once, because a shadow blur for each light in each frame would be slow. */
function glowOf(colour: string): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = 128;
  canvas.height = 128;
  const pen = canvas.getContext('2d');
  if (pen === null) return canvas;
  const glow = pen.createRadialGradient(64, 64, 0, 64, 64, 64);
  glow.addColorStop(0, colour);
  glow.addColorStop(0.25, `${colour}55`);
  glow.addColorStop(1, `${colour}00`);
  pen.fillStyle = glow;
  pen.fillRect(0, 0, 128, 128);
  return canvas;
}
