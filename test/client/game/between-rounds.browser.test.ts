import t from 'tap';
import { openBrowser } from '../browser.js';
import { GamePage, startGame } from './game-page.js';

t.setTimeout(240_000);

const { url } = await startGame(t);
const browser = await openBrowser(t);

t.test('a round pauses while the page is hidden', async (t) => {
  const game = await GamePage.open(t, browser, url);
  await game.page.getByRole('button', { name: /Play/ }).click();
  await game.pass(2_000);
  await game.page.evaluate(`
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  `);
  await game.pass(200);
  t.equal(await game.phase(), 'paused');
  const left = await game.page.locator('#seconds').textContent();
  await game.pass(5_000);
  t.equal(await game.page.locator('#seconds').textContent(), left);
  await game.page.getByRole('button', { name: 'Go on' }).click();
  await game.fly();
  await game.says(/counted|Nothing caught/);
});

t.test('the name can be changed in place, before the first round and after it', async (t) => {
  const game = await GamePage.open(t, browser, url);
  await game.name.fill('Ada');
  await game.name.press('Enter');
  await game.page.locator('live-leaderboard[user]').waitFor();
  await game.round();
  await game.row('Ada').waitFor();
  await game.name.fill('  Countess Ada ');
  await game.name.press('Enter');
  await game.row('Countess Ada').waitFor();
  t.equal(await game.name.inputValue(), 'Countess Ada');
  await game.name.fill('\u200b\u200b');
  await game.name.press('Enter');
  await game.says(/^The name stays: /);
  t.equal(await game.name.inputValue(), 'Countess Ada');
});

t.test('a round without points is not sent', async (t) => {
  const game = await GamePage.open(t, browser, url, { query: '?seed=1' });
  await game.page.getByRole('button', { name: /Play/ }).click();
  // In a corner there is nothing to catch.
  const { x, y } = await game.at(0, 0);
  await game.page.mouse.move(x, y);
  for (; (await game.phase()) === 'playing'; ) await game.pass(500);
  await game.says(/Nothing caught/);
  t.notOk((await game.page.locator('.request .path').allTextContents()).includes('/v1/scores'));
});
