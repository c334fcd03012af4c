import { copyFileSync } from 'node:fs';
import t from 'tap';
import { User } from '../../../schemas/user.js';
import { serviceApi } from '../../api.js';
import { mint } from '../../mint.js';
import { keepScreenshot, openBrowser } from '../browser.js';
import { GamePage, startGame } from './game-page.js';

t.setTimeout(300_000);

const browser = await openBrowser(t);
const SIZES = [
  { width: 390, height: 844, deviceScaleFactor: 2 },
  { width: 1024, height: 768 },
  { width: 1920, height: 1080 },
];
const RIVALS = { Grace: 61, Linus: 48, Amélie: 33, Kōji: 27, Zoë: 12, ليلى: 2 };
/** The picture of the README: UPDATE_PICTURES=1 takes a new one. */
const OF_README = 'game-1024-finished-dark';

for (const { deviceScaleFactor = 1, ...viewport } of SIZES) {
  t.test(`screenshots of the game at ${viewport.width} pixels`, async (t) => {
    const service = await startGame(t, { RATE_LIMIT_SCORE_UPDATE: 1, RATE_LIMIT_WINDOW_MS: 120_000 });
    const { app, url } = service;
    const server = await serviceApi(service, 'server');
    for (const [displayName, points] of Object.entries(RIVALS)) {
      const { id } = (await server.post('/v1/users', { displayName })).is(201, User);
      await server.post('/v1/scores', {
        actionToken: mint(id, { act: 'finish-level', pts: [points, points] }),
      });
    }
    const game = await GamePage.open(t, browser, url, { viewport, deviceScaleFactor, query: '?seed=42' });
    const { page } = game;
    const keep = async (state: string) => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        const name = `game-${viewport.width}-${state}-${colorScheme}`;
        const file = await keepScreenshot(page, name);
        if (name === OF_README && process.env['UPDATE_PICTURES'] === '1')
          copyFileSync(file, 'docs/images/start-page.png');
      }
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      t.equal(overflow, 0, `no horizontal overflow: ${state}`);
    };
    await game.board('open');
    await keep('idle');
    await page.getByRole('button', { name: /Play/ }).click();
    const { x, y } = await game.at(0.7, 0.3);
    await page.mouse.move(x, y);
    await game.pass(4_000);
    await keep('playing');
    await game.fly();
    await game.says(/counted/);
    await game.row('You').waitFor();
    await keep('finished');
    await game.round();
    await game.says(/Enough rounds for now/);
    await keep('limit');
    await game.context.setOffline(true);
    // Chromium keeps open streams.
    app.server.closeAllConnections();
    await game.round();
    await game.board('reconnecting');
    await game.says(/^2 rounds are kept/);
    await keep('offline');
    if (viewport.width >= 1440) return;
    await page.getByRole('button', { name: /Requests/ }).click();
    await keep('requests');
  });
}

t.test('the overlay is rendered', async (t) => {
  const { url } = await startGame(t);
  const player = await GamePage.open(t, browser, url);
  await player.name.fill('Ada');
  await player.name.press('Enter');
  await player.round();
  await player.says(/counted/);
  const overlay = await GamePage.open(t, browser, url, {
    query: '?obs',
    viewport: { width: 480, height: 640 },
  });
  await overlay.row('Ada').waitFor();
  await overlay.page.emulateMedia({ colorScheme: 'dark' });
  await keepScreenshot(overlay.page, 'game-overlay');
  t.pass('saved');
});
