import t from 'tap';
import { ScoreEvents } from '../../../schemas/user.js';
import { openBrowser } from '../browser.js';
import { GamePage, startGame } from './game-page.js';

t.setTimeout(180_000);

const { api, url } = await startGame(t);
const browser = await openBrowser(t);

/** The score of a user according to the service. */
async function scored(game: GamePage) {
  const session = await game.page.evaluate<string>(`localStorage.getItem('scoreboard::session')`);
  const { accessToken } = JSON.parse(session);
  return (await api.as(accessToken).get('/v1/users/me/events')).is(200, ScoreEvents).items;
}

t.test('a round with the mouse counts its points, and the board shows them', async (t) => {
  const game = await GamePage.open(t, browser, url);
  t.equal(await game.userId(), null, 'no guest is created before a round');
  const points = await game.round();
  t.ok(points > 0, `${points} points`);
  await game.says(new RegExp(`^${points} points? counted. You are at rank \\d+`));
  t.match(await scored(game), [{ action: 'finish-level', points }]);
  await game
    .row('You')
    .filter({ hasText: String(points) })
    .waitFor();
  const requests = await game.page.locator('#request-list .request .path').allTextContents();
  t.same(
    requests.filter((path) => !path.includes('/stream')).slice(0, 2),
    ['/v1/scores', '/v1/action-tokens'],
    'the token was requested before the round ended',
  );
});

t.test('a round can be played with only the keyboard, from its start to the next one', async (t) => {
  const game = await GamePage.open(t, browser, url, { query: '?seed=11' });
  const { keyboard } = game.page;
  const fly = async () => {
    for (let turn = 0; (await game.phase()) === 'playing'; turn++) {
      const key = ['ArrowRight', 'KeyS', 'ArrowLeft', 'KeyW'][turn % 4] ?? '';
      await keyboard.down(key);
      await game.pass(100 + 100 * Math.floor(turn / 4));
      await keyboard.up(key);
    }
  };
  await keyboard.press('Space');
  t.equal(await game.phase(), 'playing');
  await fly();
  const points = await game.points();
  t.ok(points > 0, `${points} points`);
  await game.says(/counted/);
  t.match(await scored(game), [{ points }]);
  t.equal(await game.page.evaluate('document.activeElement.id'), 'start', 'the button has the focus');
  await game.pass(1_000);
  await keyboard.press('Space');
  t.equal(await game.phase(), 'playing', 'the next round starts');
});

t.test('a finger steers', async (t) => {
  const game = await GamePage.open(t, browser, url, {
    hasTouch: true,
    isMobile: true,
    viewport: { width: 390, height: 844 },
  });
  await game.page.getByRole('button', { name: /Play/ }).tap();
  const touch = await game.context.newCDPSession(game.page);
  const finger = async (type: string, across: number, down: number) =>
    touch.send('Input.dispatchTouchEvent', {
      type: type === 'start' ? 'touchStart' : 'touchMove',
      touchPoints: [{ ...(await game.at(across, down)), id: 1 }],
    });
  await finger('start', 0.5, 0.5);
  for (let turn = 0; (await game.phase()) === 'playing'; turn++) {
    await finger('move', 0.5 + 0.3 * Math.cos(turn * 0.9), 0.5 + 0.3 * Math.sin(turn * 0.7));
    await game.pass(300);
  }
  const points = await game.points();
  t.ok(points > 3, `${points} points: more than without steering`);
  await game.says(/counted/);
  t.equal(await game.page.evaluate('scrollY'), 0, 'the page did not scroll');
});
