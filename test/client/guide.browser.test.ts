import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { Leaderboard } from '../../schemas/leaderboard.js';
import { eventually, serviceApi, startApi } from '../api.js';
import { ACTION_TOKEN_SECRET } from '../helper.js';
import { fencesOf } from '../shown.js';
import { keepScreenshot, openBrowser, serveSite } from './browser.js';
import { CEILING } from './fan-site.js';
import { startGame } from './game/game-page.js';

/** The code block of a language under a heading of a page that matches, for a service at `url`. */
function snippet(page: string, heading: string, language: string, url: string, content = /./): string {
  const [, section = ''] =
    new RegExp(`^## ${heading}$(.*?)(?=^## |(?![^]))`, 'ms').exec(readFileSync(`docs/${page}`, 'utf8')) ?? [];
  const text = fencesOf(section).find(
    (fence) => fence.language === language && content.test(fence.text),
  )?.text;
  if (text === undefined) throw new Error(`There is no ${language} under "${heading}"`);
  return text.replaceAll('http://localhost:3000', url);
}

const IMPORT_PHASER = "import Phaser from 'phaser';\n";

/** Before the game: puts every coin in the middle, and keeps what is written on the canvas. */
const STEADY = `
  import Phaser, { GameObjects } from 'phaser';
  Phaser.Math.Between = (from, to) => (from + to) / 2;
  const { setText } = GameObjects.Text.prototype;
  globalThis.written = [];
  GameObjects.Text.prototype.setText = function (text) {
    globalThis.written.push(String(text));
    return setText.call(this, text);
  };`;

/** Bundles the game by the command of the page, with the packages of this checkout. */
async function bundle(t: Test, game: string): Promise<string> {
  const folder = t.testdir({ 'game.js': game });
  const command = snippet('web-game.md', 'Phaser', 'sh', '', /^npx/);
  await promisify(execFile)('sh', ['-c', command], { cwd: folder });
  return readFileSync(join(folder, 'bundle.js'), 'utf8');
}

/** The warnings on the console of a page, and the addresses of its requests without a body. */
function watchProbes(page: Page) {
  const warnings: string[] = [];
  const probes: string[] = [];
  page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
  page.on('request', (request) => request.method() === 'HEAD' && probes.push(request.url()));
  return { warnings, probes };
}

t.test('the page: a click puts the player on the board', async (t) => {
  const { url } = await startApi(t, { CORS_ORIGINS: ['*'] });
  const page = await (await openBrowser(t)).newPage();
  const problems: string[] = [];
  page.on('pageerror', ({ message }) => problems.push(message));
  const origin = await serveSite(t, {
    '/': { html: snippet('web-game.md', 'A page with plain JavaScript', 'html', url) },
  });
  await page.goto(origin);
  await page.click('#coin');
  await page.waitForSelector('#board li');
  t.match(await page.textContent('#board li'), /: 10$/);
  t.match(await page.textContent('#status'), /^(You are number 1\.)?$/);
  t.same(problems, []);
});

t.test('a page that is not allowed to call the service reads why in its errors', async (t) => {
  const { url } = await startApi(t, { CORS_ORIGINS: ['https://other.example'] });
  const page = await (await openBrowser(t)).newPage();
  const { warnings, probes } = watchProbes(page);
  const origin = await serveSite(t, {
    '/': {
      html: `<!doctype html><script type="module">
        import { createClient, subscribe } from '${url}/client.js';
        globalThis.errors = new Promise((done) => {
          const errors = {};
          const keep = (name, error) => {
            errors[name] ??= error?.message;
            if (errors.call && errors.waiting && errors.queued && errors.stream) done(errors);
          };
          const client = createClient({ baseUrl: '${url}', onAction: ({ error }) => keep('waiting', error) });
          client.leaderboard('global').top().catch((error) => keep('call', error));
          client.performAction('collect-coin', { timeoutMs: 3_000 }).catch(({ cause }) => keep('queued', cause));
          subscribe('${url}', 'global', ({ error }) => keep('stream', error));
        });
      </script>`,
    },
  });
  await page.goto(origin);
  const why = `The service answers, but not pages of ${origin} (CORS). Add that origin to its CORS_ORIGINS.`;
  t.same(await page.evaluate('errors'), { call: why, waiting: why, queued: why, stream: why });
  t.same(probes, [`${url}/client.js`, `${url}/v1/actions`], 'asked once, not after each failure');
  t.same(warnings, [why]);

  const guide = await serveSite(t, {
    '/': { html: snippet('web-game.md', 'A page with plain JavaScript', 'html', url) },
  });
  await page.goto(guide);
  const whyThere = why.replace(origin, guide);
  await page.waitForFunction(`document.querySelector('#board').textContent === ${JSON.stringify(whyThere)}`);
});

t.test('the element of a page that is not allowed warns why on the console, once', async (t) => {
  const { url } = await startApi(t, { CORS_ORIGINS: ['https://other.example'] });
  const page = await (await openBrowser(t)).newPage();
  const { warnings } = watchProbes(page);
  const origin = await serveSite(t, {
    '/': {
      html: `<!doctype html><script src="${url}/widget.js"></script><live-leaderboard></live-leaderboard>`,
    },
  });
  await page.goto(origin);
  await page.locator('live-leaderboard').getByText('does not answer').waitFor(CEILING);
  t.same(warnings, [
    `The service answers, but not pages of ${origin} (CORS). Add that origin to its CORS_ORIGINS.`,
  ]);
});

t.test('a page of a service that is down is not told of CORS', async (t) => {
  const { url, app } = await startApi(t, { CORS_ORIGINS: ['https://other.example'] });
  const browser = await openBrowser(t);
  // A page remembers for some minutes why it got no answer.
  const [page, later] = [await browser.newPage(), await browser.newPage()];
  const origin = await serveSite(t, {
    '/': { html: `<!doctype html><script type="module" src="${url}/client.js"></script>` },
  });
  for (const one of [page, later]) await one.goto(origin);
  const ask = `import('${url}/client.js').then(({ leaderboardOf }) => leaderboardOf('${url}', 'global').top()).catch(String)`;
  t.match(await page.evaluate(ask), /CORS_ORIGINS/);
  await app.close();
  t.equal(await later.evaluate(ask), 'ScoreboardError: No response.');
});

t.test('an element asks again for a board that did not exist, beside one that did', async (t) => {
  const { url, app, api } = await startApi(t, { CORS_ORIGINS: ['*'] });
  const page = await (await openBrowser(t)).newPage();
  const origin = await serveSite(t, {
    '/': {
      html: `<!doctype html><script src="${url}/widget.js"></script><live-leaderboard></live-leaderboard>
        <live-leaderboard board="later"></live-leaderboard>`,
    },
  });
  await page.goto(origin);
  await page.getByText('There is no such leaderboard').waitFor(CEILING);
  const admin = await serviceApi({ app, api }, 'admin');
  const rules = { title: 'Later', sort: 'desc', operator: 'best' };
  (await admin.put('/v1/admin/leaderboards/later', rules)).is(200, Leaderboard);
  await page.locator('live-leaderboard[board]').evaluate(async (host) => {
    const place = host.parentNode;
    host.remove();
    // Long enough for the element to leave.
    await Promise.resolve();
    place?.append(host);
  });
  await eventually(async () => assert.equal(await page.getByText('No scores yet').count(), 2));
});

t.test('the game for Phaser: the coins of a round are one score, and the board shows it', async (t) => {
  const { url, app } = await startGame(t, { CORS_ORIGINS: ['*'] });
  const page = await (await openBrowser(t)).newPage();
  const problems: string[] = [];
  page.on('pageerror', ({ message }) => problems.push(message));
  const origin = await serveSite(t, {
    '/': { html: snippet('web-game.md', 'Phaser', 'html', url) },
    '/bundle.js': {
      html: await bundle(t, STEADY + snippet('web-game.md', 'Phaser', 'js', url).replace(IMPORT_PHASER, '')),
      headers: { 'content-type': 'text/javascript' },
    },
  });
  await page.clock.install();
  await page.goto(origin);
  const canvas = page.locator('canvas');
  await canvas.waitFor();
  const writes = async (text: string) => {
    await eventually(async () => {
      await page.clock.runFor(100);
      assert.match(await page.evaluate<string>('written.join("\\n")'), new RegExp(text));
    }, CEILING.timeout);
  };
  await writes('Click the coin!');
  for (let clicks = 0; clicks < 7; clicks++) {
    await canvas.click({ position: { x: 200, y: 130 } });
    await page.clock.runFor(50);
  }
  await page.clock.runFor(10_000);
  await writes('7 points. Click for another round.');
  await writes('1. Guest .* 7');
  await keepScreenshot(page, 'guide-phaser');
  const { rows } = await app.pg.query('SELECT points::int FROM score_events');
  t.same(rows, [{ points: 7 }]);
  t.same(problems, []);
});

t.test('the game server: a won match counts once', async (t) => {
  const { url, app } = await startApi(t);
  const { id, secret } = await app.serviceAccounts.create('my game', 'server');
  const folder = t.testdir({
    'game-server.mjs': snippet('game-server.md', 'Without a call for each token', 'js', url),
  });
  const env = { ...process.env, CLIENT_ID: id, CLIENT_SECRET: secret, ACTION_TOKEN_SECRET };
  for (const _ of ['a player', 'the same player again']) {
    const { stdout } = await promisify(execFile)(process.execPath, ['game-server.mjs'], { cwd: folder, env });
    t.match(stdout, /^Ada has won: .*"action":"win-match","points":250/);
  }
  const { rows } = await app.pg.query('SELECT metadata FROM score_events');
  t.same(rows, [{ metadata: { opponent: 'player-18' } }, { metadata: { opponent: 'player-18' } }]);
  t.equal((await app.pg.query('SELECT FROM scores')).rowCount, 1, 'both of the same player');
});
