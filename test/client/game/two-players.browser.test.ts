import { performance } from 'node:perf_hooks';
import t from 'tap';
import { startService } from '../../faults/service.js';
import { buildTestDatabase } from '../../helper.js';
import { openBrowser } from '../browser.js';
import { GamePage } from './game-page.js';

t.setTimeout(240_000);

/** Plays a round in real time with the mouse. */
async function playInRealTime(game: GamePage, turnedBy: number): Promise<number> {
  await game.page.getByRole('button', { name: /Play/ }).click();
  for (let turn = turnedBy; (await game.phase()) === 'playing'; turn++) {
    const { x, y } = await game.at(0.5 + 0.35 * Math.cos(turn * 0.9), 0.5 + 0.35 * Math.sin(turn * 0.7));
    await game.page.mouse.move(x, y, { steps: 4 });
    await game.page.waitForTimeout(200);
  }
  return game.points();
}

t.test("two players see each other's scores, also after the server was killed and restarted", async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const first = await startService(t, databaseUrl);
  const browser = await openBrowser(t);
  const ada = await GamePage.open(t, browser, first.url, { realTime: true });
  const grace = await GamePage.open(t, browser, first.url, { realTime: true, query: '?seed=30' });
  for (const [game, name] of [
    [ada, 'Ada'],
    [grace, 'Grace'],
  ] as const) {
    await game.name.fill(name);
    await game.name.press('Enter');
    await game.page.locator('live-leaderboard[user]').waitFor();
  }

  /** From the receipt until the other page shows the score, in milliseconds. */
  const seenBy = async (other: GamePage, player: GamePage, name: string) => {
    const answer = await player.page.waitForResponse(
      (response) => response.url().endsWith('/v1/scores') && response.ok(),
    );
    const answered = performance.now();
    const { leaderboards } = await answer.json();
    await other
      .row(name)
      .filter({ hasText: String(leaderboards[0].score) })
      .waitFor();
    return performance.now() - answered;
  };
  const delays = [seenBy(grace, ada, 'Ada'), seenBy(ada, grace, 'Grace')];
  const began = performance.now();
  const points = await Promise.all([playInRealTime(ada, 0), playInRealTime(grace, 5)]);
  const took = performance.now() - began;
  t.ok(took > 14_000, `a round of ${Math.round(took)} ms`);
  t.ok(
    points.every((points) => points > 0),
    `${points.join(' and ')} points`,
  );
  for (const delay of await Promise.all(delays))
    t.comment(`shown ${Math.round(delay)} ms after the response`);

  first.process.kill('SIGKILL');
  await first.ended;
  for (const game of [ada, grace]) {
    await game.board('reconnecting');
    await game.row('Ada').waitFor();
  }
  // A round that ends while the server is down.
  await playInRealTime(ada, 3);
  await ada.says(/kept/);
  await startService(t, databaseUrl, { PORT: new URL(first.url).port });
  await ada.says(/counted/);
  const total = (points[0] ?? 0) + (await ada.points());
  for (const game of [ada, grace])
    await game
      .row('Ada')
      .filter({ hasText: String(total) })
      .waitFor();
});
