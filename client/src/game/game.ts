import { element, write } from './elements.js';
import { Naming } from './naming.js';
import { countdownOf, type Outcome, pointsIn, sentenceOf } from './outcome.js';
import { Play, type PlayView } from './play.js';
import { Rounds } from './rounds.js';
import { ROUND_STEPS, STEPS_PER_SECOND } from './world.js';

/** Time for which the space bar does not start the next round, so that players who press it repeatedly see the result. */
const RESULT_STAYS_MS = 500;

/** Connects the game to the page: rounds on the canvas, their outcome below, the player's row on the board. */
export function startGame({ board, query }: { board: HTMLElement; query: URLSearchParams }): void {
  const stage = element('stage');
  const canvas = element('field', HTMLCanvasElement);
  const start = element('start');
  const label = element('start-label');
  const headline = element('headline');
  const explanation = element('explanation');
  const points = element('points');
  const level = element('level');
  const seconds = element('seconds', SVGTextElement);
  const ring = element('ring', SVGCircleElement);
  const status = element('status');
  const countdown = element('countdown');
  const calm = matchMedia('(prefers-reduced-motion: reduce)');
  let outcome: Outcome | undefined;
  let finishedAt = Number.NEGATIVE_INFINITY;

  const tellOutcome = (news: Outcome) => {
    outcome = news;
    write(status, sentenceOf(news, board.getAttribute('board') ?? ''));
    status.dataset['kind'] = news.kind;
    tick();
  };
  const tick = () => write(countdown, countdownOf(outcome, Date.now()));
  setInterval(tick, 250);

  const rounds = new Rounds({
    onOutcome: tellOutcome,
    onUser: () => showUser(),
  });
  const naming = new Naming(
    element('naming', HTMLFormElement),
    element('name', HTMLInputElement),
    rounds.client,
    (message) => write(status, message),
  );
  const showUser = () => {
    const { user } = rounds.client;
    if (user === null) board.removeAttribute('user');
    else board.setAttribute('user', user.id);
    naming.show();
  };
  showUser();

  const show = ({ phase, points: collected, level: multiplier, timeLeft }: PlayView) => {
    if (stage.dataset['phase'] !== phase) {
      stage.dataset['phase'] = phase;
      if (phase === 'paused') pauseCard();
    }
    write(points, String(collected));
    write(level, multiplier > 1 ? `×${multiplier}` : '');
    write(seconds, String(Math.ceil((timeLeft * ROUND_STEPS) / STEPS_PER_SECOND)));
    ring.style.setProperty('--left', timeLeft.toFixed(3));
  };
  const play = new Play({
    canvas,
    calm: () => calm.matches,
    nextSeed: seedsFrom(query.get('seed')),
    show,
    finish: ({ points, longestCombo }) => {
      finishedAt = performance.now();
      write(headline, pointsIn(points));
      write(
        explanation,
        longestCombo > 1 ? `Longest combo: ${longestCombo} lights.` : 'Fly through the lights.',
      );
      write(label, 'Play again');
      stage.dataset['phase'] = 'finished';
      if (document.activeElement === canvas) start.focus({ preventScroll: true });
      rounds.finish(points);
    },
  });

  const go = () => {
    if (play.phase === 'paused') play.resume();
    else {
      play.start(rounds.mostPoints);
      rounds.begin();
    }
    stage.dataset['phase'] = play.phase;
    canvas.focus({ preventScroll: true });
  };
  const pauseCard = () => {
    write(headline, 'Paused');
    write(explanation, 'The round waits for you.');
    write(label, 'Go on');
    start.focus({ preventScroll: true });
  };
  const goByKey = () => {
    if (play.phase !== 'playing' && performance.now() - finishedAt > RESULT_STAYS_MS) go();
  };
  // A click by the keyboard has the detail 0.
  start.addEventListener('click', ({ detail }) => (detail === 0 ? goByKey() : go()));
  addEventListener('keydown', (event) => {
    if (event.code !== 'Space' || isBusy(event.target)) return;
    event.preventDefault();
    if (!event.repeat) goByKey();
  });
}

/** Whether the focused element uses the space bar itself. */
function isBusy(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, button, a, summary') !== null;
}

/** Seeds from the clock, or from the page's URL (`?seed=3`). */
function seedsFrom(given: string | null): () => number {
  let seed = given === null ? Date.now() : Number.parseInt(given, 10) || 0;
  return () => seed++;
}
