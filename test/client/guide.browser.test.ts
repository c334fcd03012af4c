import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import t from 'tap';
import { eventually, startApi } from '../api.js';
import { ACTION_TOKEN_SECRET } from '../helper.js';
import { keepScreenshot, openBrowser, serveSite } from './browser.js';
import { CEILING } from './fan-site.js';
import { startGame } from './game/game-page.js';

/** The first code block of a language after a heading of a page, for a service at `url`. */
function snippet(page: string, heading: string, language: string, url: string): string {
  const [, text] =
    new RegExp(`^## ${heading}$.*?^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(
      readFileSync(`docs/${page}`, 'utf8'),
    ) ?? [];
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

/** Bundles a script with its imports. */
async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: '.' },
    bundle: true,
    write: false,
    format: 'esm',
  });
  return outputFiles[0]?.text ?? '';
}

t.test('the page: a click puts the player on the board', async (t) => {
  const { url } = await startApi(t, { CORS_ORIGINS: ['*'] });
  const page = await (await openBrowser(t)).newPage();
  const problems: string[] = [];
  page.on('pageerror', ({ message }) => problems.push(message));
  const origin = await serveSite(t, {
    '/': { html: snippet('web-game.md', 'A page with plain JavaScript', 'html', url) },
    '/scoreboard-client.js': {
      html: await bundle("export * from '@scoreboard/client'"),
      headers: { 'content-type': 'text/javascript' },
    },
  });
  await page.goto(origin);
  await page.click('#coin');
  await page.waitForSelector('#board li');
  t.match(await page.textContent('#board li'), /: 10$/);
  t.match(await page.textContent('#status'), /^(You are number 1\.)?$/);
  t.same(problems, []);
});

t.test('the game for Phaser: the coins of a round are one score, and the board shows it', async (t) => {
  const { url, app } = await startGame(t, { CORS_ORIGINS: ['*'] });
  const page = await (await openBrowser(t)).newPage();
  const problems: string[] = [];
  page.on('pageerror', ({ message }) => problems.push(message));
  const origin = await serveSite(t, {
    '/': { html: '<!doctype html><script type="module" src="/game.js"></script>' },
    '/game.js': {
      html: await bundle(STEADY + snippet('web-game.md', 'Phaser', 'js', url).replace(IMPORT_PHASER, '')),
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
