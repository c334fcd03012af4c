import { Play, type Standing } from './play.js';
import { ROUND_STEPS, STEPS_PER_SECOND } from './world.js';

const query = new URLSearchParams(location.search);
element('page').hidden = false;

const stage = element('stage');
const start = element('start');
const calm = matchMedia('(prefers-reduced-motion: reduce)');

const play = new Play({
  canvas: canvasOf('field'),
  calm: () => calm.matches,
  nextSeed: seeds(query.get('seed')),
  show,
  finish: ({ points, longestCombo }) => {
    element('headline').textContent = points === 1 ? '1 point' : `${points} points`;
    element('explanation').textContent = `Longest combo: ${longestCombo} lights.`;
    start.focus();
  },
});

start.addEventListener('click', begin);
addEventListener('keydown', (event) => {
  if (event.code !== 'Space' || play.phase === 'playing' || event.repeat) return;
  if (event.target instanceof Element && event.target.closest('input, button, a, summary')) return;
  event.preventDefault();
  begin();
});

function begin(): void {
  play.start(100);
  element('field').focus({ preventScroll: true });
}

function show({ phase, points, level, timeLeft }: Standing): void {
  stage.dataset['phase'] = phase;
  write('points', String(points));
  write('level', level > 1 ? `×${level}` : '');
  write('seconds', String(Math.ceil((timeLeft * ROUND_STEPS) / STEPS_PER_SECOND)));
  element('ring').style.setProperty('--left', timeLeft.toFixed(3));
}

function write(id: string, text: string): void {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
}

/** Chance, unless the address names where it begins. */
function seeds(given: string | null): () => number {
  let seed = given === null ? Date.now() : Number.parseInt(given, 10) || 0;
  return () => seed++;
}

function canvasOf(id: string): HTMLCanvasElement {
  const found = element(id);
  if (found instanceof HTMLCanvasElement) return found;
  throw new Error(`#${id} is no canvas`);
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`There is no #${id} on the page`);
  return found;
}
