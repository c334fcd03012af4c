import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { openBrowser } from '../browser.js';
import { GamePage, startGame } from './game-page.js';

t.setTimeout(240_000);

const { url } = await startGame(t);
const browser = await openBrowser(t);

t.test('the page works under its strict Content-Security-Policy', async (t) => {
  const { headers } = await fetch(url);
  const policy = headers.get('content-security-policy') ?? '';
  t.match(policy, "default-src 'none'");
  t.match(policy, "script-src 'self'");
  t.match(policy, "style-src 'self'");
  t.match(policy, "connect-src 'self'");
  t.notMatch(policy, 'unsafe');
  t.equal(headers.get('x-content-type-options'), 'nosniff');
  const html = await (await fetch(url)).text();
  t.notMatch(html, / style=|<style|<script>|javascript:| on\w+=/, 'nothing inline');
  const game = await GamePage.open(t, browser, url);
  const foreign: string[] = [];
  game.page.on('request', (request) => {
    if (!request.url().startsWith(`${url}/`)) foreign.push(request.url());
  });
  await game.round();
  await game.says(/counted/);
  t.same(foreign, [], 'no request to other origins');
  const blocked = await game.page.evaluate(`
    new Promise((resolve) => {
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => resolve(effectiveDirective));
      document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.hacked = true' }));
    })
  `);
  t.equal(blocked, 'script-src-elem', 'an injected script does not run');
  t.ok(game.errors.length > 0, 'and the violation is recorded');
  game.errors.length = 0;
});

t.test('?obs shows only the board, on a transparent page', async (t) => {
  const game = await GamePage.open(t, browser, url, { query: '?obs&limit=3', colorScheme: 'dark' });
  await game.board('open');
  t.notOk(await game.page.locator('#page').isVisible());
  t.match(await game.page.locator('live-leaderboard').getAttribute('limit'), '3');
  const corner = await game.page.screenshot({
    omitBackground: true,
    clip: { x: 796, y: 596, width: 4, height: 4 },
  });
  const alpha = await game.page.evaluate(
    `createImageBitmap(new Blob([Uint8Array.from(atob('${corner.toString('base64')}'), (c) => c.charCodeAt(0))]))
      .then((image) => {
        const pen = new OffscreenCanvas(4, 4).getContext('2d');
        pen.drawImage(image, 0, 0);
        return pen.getImageData(1, 1, 1, 1).data[3];
      })`,
  );
  t.equal(alpha, 0, 'transparent');
});

t.test('?obs takes a theme, a language, a heading and a user', async (t) => {
  const query = '?obs&theme=light&lang=ar&heading=Finale&user=usr_01kcx7f0w3e5tt9m6d7kq2x1zb';
  const game = await GamePage.open(t, browser, url, {
    query,
    colorScheme: 'dark',
    viewport: { width: 1_200, height: 700 },
  });
  await game.board('open');
  const { page } = game;
  t.same(await page.evaluate('[document.documentElement.lang, document.documentElement.dir]'), ['ar', 'rtl']);
  const board = page.locator('live-leaderboard');
  t.equal(await board.locator('.title').innerText(), 'Finale');
  t.equal(await board.getByRole('columnheader').nth(1).innerText(), 'اللاعب');
  t.equal(await game.userId(), 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb');
  const { width = 0 } = (await board.boundingBox()) ?? {};
  t.ok(width > 300 && width < 800, `${width} pixels wide`);
  const surfaces = await board.evaluate((host) => {
    const view = host.ownerDocument.defaultView;
    const backgroundOf = (part: string) =>
      view.getComputedStyle(host.shadowRoot.querySelector(part)).backgroundColor;
    return [backgroundOf('.board'), backgroundOf('.message, .entry')];
  });
  t.same(surfaces, ['rgba(255, 255, 255, 0.88)', 'rgba(0, 0, 0, 0)'], 'one surface, of the light theme');
});

t.test('a copied request runs in bash; on the screen its tokens are shortened', async (t) => {
  const game = await GamePage.open(t, browser, url, { permissions: ['clipboard-read', 'clipboard-write'] });
  await game.round();
  await game.says(/counted/);
  await game.page.getByRole('button', { name: /Requests/ }).click();
  const shown = await game.page.locator('#request-list').textContent();
  t.match(shown, /Bearer eyJ\w+…/);
  t.notMatch(shown, /[\w-]{30}\.[\w-]{30}/, 'no token is shown in full');
  const run = async (name: string) => {
    await game.page.getByRole('button', { name, exact: true }).first().click();
    const command = await game.page.evaluate<string>('navigator.clipboard.readText()');
    // The stream does not end by itself.
    const { stdout } = await promisify(execFile)('bash', ['-c', `${command} -s --max-time 20`]);
    return JSON.parse(stdout);
  };
  t.match(await run('Copy GET /v1/actions as curl'), { items: Array });
  t.match(await run('Copy POST /v1/action-tokens as curl'), { actionToken: String, action: 'finish-level' });
  const again = await run('Copy POST /v1/scores as curl');
  t.match(again, { code: 'action-token-replayed', original: { eventId: /^evt_/ } }, 'it counted once');
  t.match(await run('Copy POST /v1/auth/guest as curl'), { user: { role: 'player' } });

  // As on a page over plain http from another machine.
  await game.page.evaluate(`{
    const { clipboard } = navigator;
    window.readCopied = () => clipboard.readText();
    Object.defineProperty(navigator, 'clipboard', { value: undefined });
  }`);
  await game.page.getByRole('button', { name: 'Copy GET /v1/actions as curl' }).click();
  t.match(await game.page.evaluate('readCopied()'), /^curl '.*\/v1\/actions'$/);
});
