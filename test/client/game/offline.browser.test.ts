import assert from 'node:assert/strict';
import t from 'tap';
import { EntryDetails } from '../../../schemas/leaderboard.js';
import { eventually } from '../../api.js';
import { openBrowser } from '../browser.js';
import { CEILING_MS, GamePage, startGame } from './game-page.js';

t.setTimeout(240_000);

const browser = await openBrowser(t);

t.test('an offline minute, with the page closed in the middle, loses no finished round', async (t) => {
  const { api, url } = await startGame(t);
  const game = await GamePage.open(t, browser, url, { query: '?seed=20' });
  await game.name.fill('Ada');
  await game.name.press('Enter');
  await game.page.locator('live-leaderboard[user]').waitFor();
  const userId = await game.userId();

  // Four rounds last a minute.
  await game.context.setOffline(true);
  const rounds = [await game.round(), await game.round(), await game.round()];
  await game.says(/^3 rounds are kept. It will count as soon as the service can be reached/);
  await game.context.setOffline(false);
  // Only the page can be loaded: the service is still unreachable, and nothing can be sent.
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
    assert.equal(entry.score, total);
  }, CEILING_MS);
  await game.says(/counted/);
  await game
    .row('Ada')
    .filter({ hasText: String(total) })
    .waitFor();
  t.ok(
    rounds.every((points) => points > 0),
    rounds.join(' + '),
  );
  const left = `Object.keys(localStorage).filter((name) => name.startsWith('scoreboard::action:'))`;
  t.same(await game.page.evaluate(left), [], 'the queue is empty');
});
