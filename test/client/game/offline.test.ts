import t from 'tap';
import { EntryDetails } from '../../../schemas/leaderboard.js';
import { eventually, startApi } from '../../api.js';
import { openBrowser } from '../browser.js';
import { CEILING_MS, GamePage } from './game-page.js';

t.setTimeout(240_000);

const browser = await openBrowser(t);

t.test('an offline minute, with the page closed in the middle, loses no finished round', async (t) => {
  const { api, url } = await startApi(t);
  const game = await GamePage.open(t, browser, url, { query: '?seed=20' });
  const rounds = [await game.round()];
  await game.says(/counted/);
  const userId = await game.userId();

  await game.context.setOffline(true);
  for (let i = 0; i < 3; i++) rounds.push(await game.round());
  await game.says(/^\d rounds are kept. It will count as soon as the service can be reached/);
  await game.context.setOffline(false);
  // Only to load the page: the service is still out of reach, and nothing can be sent.
  await game.page.route('**/v1/**', (route) => route.abort());
  await game.page.reload();
  rounds.push(await game.round());
  await game.says(/kept/);
  await game.page.unroute('**/v1/**');
  await game.context.setOffline(true);
  await game.context.setOffline(false);

  const total = rounds.reduce((sum, points) => sum + points, 0);
  await eventually(async () => {
    const entry = (await api.get(`/v1/leaderboards/global/entries/${userId}`)).is(200, EntryDetails);
    if (entry.score !== total) throw new Error(`${entry.score} of ${total}`);
  }, CEILING_MS);
  await game.says(/counted/);
  await game
    .row('You')
    .filter({ hasText: String(total) })
    .waitFor();
  t.equal(rounds.filter((points) => points > 0).length, 5, rounds.join(' + '));
  t.equal(
    await game.page.evaluate(`localStorage.getItem('scoreboard::queue')`),
    null,
    'nothing waits any more',
  );
});

t.test('over the limit of scores a round waits, with a countdown, and counts by itself', async (t) => {
  const { url } = await startApi(t, { RATE_LIMIT_SCORE_UPDATE: 1, RATE_LIMIT_WINDOW_MS: 12_000 });
  const game = await GamePage.open(t, browser, url, { query: '?seed=20' });
  await game.context.setOffline(true);
  // Two that come at once, when they can: the second one is too many.
  const points = (await game.round()) + (await game.round());
  await game.context.setOffline(false);
  await game.says(/^Your round is kept. Only so many count in a minute; yours will by itself/);
  const countdown = async () => Number(/^in (\d+) s$/.exec((await game.countdown.textContent()) ?? '')?.[1]);
  const before = await countdown();
  t.ok(before > 0 && before <= 14, `in ${before} s`);
  t.equal(await game.page.getByRole('button', { name: 'Play again' }).isVisible(), true, 'the game goes on');
  await game.page.waitForTimeout(1_500);
  const after = await game.countdown.textContent();
  t.not(after, `in ${before} s`, 'it counts down');
  await game.says(/counted/);
  t.equal(await game.countdown.textContent(), '');
  await game
    .row('You')
    .filter({ hasText: String(points) })
    .waitFor();
});

t.test('a service that has no such action is for practice', async (t) => {
  const { url } = await startApi(t);
  const game = await GamePage.open(t, browser, url);
  await game.page.route('**/v1/actions', (route) => route.fulfill({ json: { items: [], nextCursor: null } }));
  await game.page.reload();
  await game.round();
  await game.says(/rounds are for practice/);
  t.equal(await game.userId(), null);
});
