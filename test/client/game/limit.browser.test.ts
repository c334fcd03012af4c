import t from 'tap';
import { openBrowser } from '../browser.js';
import { GamePage, startGame } from './game-page.js';

t.setTimeout(240_000);

const browser = await openBrowser(t);

t.test(
  'above the limit of scores a round waits with a countdown and then counts automatically',
  async (t) => {
    const { url } = await startGame(t, { RATE_LIMIT_SCORE_UPDATE: 1, RATE_LIMIT_WINDOW_MS: 12_000 });
    const game = await GamePage.open(t, browser, url, { query: '?seed=20' });
    await game.context.setOffline(true);
    // Both are sent together once online, and the second one exceeds the limit.
    const points = (await game.round()) + (await game.round());
    await game.context.setOffline(false);
    await game.says(/^Your round is kept. Enough rounds for now; sending goes on/);
    const countdown = async () =>
      Number(/^in (\d+) s$/.exec((await game.countdown.textContent()) ?? '')?.[1]);
    const before = await countdown();
    t.ok(before > 0 && before <= 14, `in ${before} s`);
    t.equal(
      await game.page.getByRole('button', { name: 'Play again' }).isVisible(),
      true,
      'the game continues',
    );
    await game.page.waitForTimeout(1_500);
    const after = await game.countdown.textContent();
    t.not(after, `in ${before} s`, 'the countdown runs');
    await game.says(/counted/);
    t.equal(await game.countdown.textContent(), '');
    await game
      .row('You')
      .filter({ hasText: String(points) })
      .waitFor();
  },
);

t.test('without the action on the service rounds are for practice', async (t) => {
  const { url } = await startGame(t);
  const game = await GamePage.open(t, browser, url);
  await game.page.route('**/v1/actions', (route) => route.fulfill({ json: { items: [], nextCursor: null } }));
  await game.page.reload();
  await game.round();
  await game.says(/rounds are for practice/);
  t.equal(await game.userId(), null);
});
