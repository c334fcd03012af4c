import { createRequire } from 'node:module';
import t from 'tap';
import { newPlayer } from '../../api.js';
import { openBrowser } from '../browser.js';
import { GamePage, startGame } from './game-page.js';

t.setTimeout(240_000);

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const { api, url } = await startGame(t);
const browser = await openBrowser(t);

t.test('axe finds no violation, in light and dark', async (t) => {
  await newPlayer(api, 'Grace');
  for (const query of ['', '?obs']) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const game = await GamePage.open(t, browser, url, { query, colorScheme, bypassCSP: true });
      await game.board('open');
      await game.page.addScriptTag({ path: AXE });
      const violations = async () =>
        JSON.parse(
          await game.page.evaluate<string>(`axe.run().then(({ violations }) => JSON.stringify(
            violations.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => [html, failureSummary])])
          ))`),
        );
      t.same(await violations(), [], `/${query} ${colorScheme}`);
      if (query === '?obs') continue;
      await game.round();
      await game.says(/counted/);
      t.same(await violations(), [], `/ after a round, ${colorScheme}`);
      await game.page.getByRole('button', { name: /Requests/ }).click();
      await game.page.getByRole('button', { name: 'Close' }).waitFor();
      await game.page.locator('#request-list summary').first().click();
      t.same(await violations(), [], `the drawer, ${colorScheme}`);
    }
  }
});
