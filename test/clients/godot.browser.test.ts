import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { eventually, newPlayer, startApi } from '../api.js';
import { keepScreenshot, openBrowser, serveSite } from '../client/browser.js';
import { FaultyProxy } from '../client/faulty-proxy.js';
import { type Engine, Game, type GameOptions, type Kept, type Output, type Running } from './game.js';
import { filesOf, godotFolder, type PackedFile, pack } from './godot.js';
import { playBeside, playWith } from './play.js';

/** The addon in the real Godot: its official Web export, in Chromium. */

// The engine takes its time to start beside other tests.
t.setTimeout(600_000);

/** A page that runs a project, as the export of Godot has one. */
const pageOf = (project: string, ...args: string[]) => `<!doctype html>
<canvas id="canvas" width="640" height="400"></canvas>
<script src="/index.js"></script>
<script>
  new Engine({
    executable: '/index',
    mainPack: '/${project}.pck',
    args: ${JSON.stringify(args)},
    canvas: document.querySelector('#canvas'),
    canvasResizePolicy: 0,
  }).startGame();
</script>`;

const folder = await godotFolder();
const javascript = { 'content-type': 'text/javascript' };
const binary = { 'content-type': 'application/octet-stream' };
const site = await serveSite(t, {
  '/index.js': { html: readFileSync(join(folder, 'index.js')), headers: javascript },
  '/index.wasm': {
    html: readFileSync(join(folder, 'index.wasm')),
    headers: { 'content-type': 'application/wasm' },
  },
  '/driver.html': { html: pageOf('driver', '--headless') },
  '/sample.html': { html: pageOf('sample', '--audio-driver', 'Dummy', '--max-fps', '10') },
  '/driver.pck': {
    html: pack([...filesOf('test/clients/godot'), ...filesOf('clients/godot/addons', 'addons')]),
    headers: binary,
  },
});

const browser = await openBrowser(t);

/** Fails the test at an error of a script, of the page or of Godot, which goes on after its own. */
function failOnErrors(t: Test, page: Page): void {
  page.on('pageerror', ({ message }) => t.fail(message));
  page.on('console', (message) => {
    if (/^(SCRIPT|USER) (SCRIPT )?ERROR/.test(message.text())) t.fail(message.text());
  });
}

type Texts = Record<string, string>;
/** *page*: one that the test can read and change; *desktop*: files with the lock of a game outside of a browser. */
type Storage = 'page' | 'files' | 'desktop';

/** A page in which Godot runs, and in it games, as the engine takes its time to start. */
class EnginePage {
  readonly page: Page;
  readonly #games: { readonly texts: Texts; readonly onLine: (line: string) => void }[] = [];

  /** @param context whose pages share the files of Godot */
  static async open(t: Test, context: BrowserContext): Promise<EnginePage> {
    const page = await context.newPage();
    failOnErrors(t, page);
    const engine = new EnginePage(page);
    const started = new Promise<void>((resolve) => page.exposeFunction('started', resolve));
    await page.exposeFunction('say', (game: number, line: string) => engine.#games[game]?.onLine(line));
    await page.exposeFunction('keep', (game: number, name: string, text: string) => {
      Object.assign(engine.#games[game]?.texts ?? {}, { [name]: text });
    });
    await page.addInitScript({
      content: `
        const page = { lines: [], texts: {} };
        page.next = () => page.lines.shift() ?? '';
        page.read = (game, name) => page.texts[game]?.[name] ?? '';
        for (const name of ['started', 'say', 'keep']) page[name] = (...values) => void globalThis[name](...values);
        globalThis.page = page;`,
    });
    await page.goto(`${site}/driver.html`);
    await started;
    return engine;
  }

  private constructor(page: Page) {
    this.page = page;
  }

  async start(
    storage: Storage,
    { url, kept, canStream = true }: GameOptions,
    { onLine, onEnd }: Output,
  ): Promise<Running> {
    const number = this.#games.length;
    const texts: Texts = {};
    for (const name of ['session', 'queue']) texts[name] = kept?.read(name) ?? '';
    this.#games.push({ texts, onLine });
    await this.page.evaluate(`page.texts[${number}] = ${JSON.stringify(texts)}`);
    const write = (line: object) =>
      this.page.evaluate(`page.lines.push(${JSON.stringify(JSON.stringify({ game: number, ...line }))})`);
    await write({ start: { url, canStream, storage } });
    return {
      kept: {
        read: (name) => texts[name] ?? '',
        write: (name, text) => {
          texts[name] = text;
        },
      },
      write: (line) => void write({ command: JSON.parse(line) }),
      kill: async () => {
        // From now on nothing of it is read: neither lines nor texts.
        if (this.#games[number] === undefined) return;
        delete this.#games[number];
        await write({ end: true });
        onEnd();
      },
    };
  }
}

const shared = await EnginePage.open(t, await browser.newContext());
const inSharedPage =
  (storage: Storage): Engine =>
  async (t, options, output) => {
    const game = await shared.start(storage, options, output);
    t.teardown(game.kill);
    return game;
  };

const filesOfOwnPages = await browser.newContext();
/** A game that ends with its page. */
const inOwnPage: Engine = async (t, options, output) => {
  const engine = await EnginePage.open(t, filesOfOwnPages);
  engine.page.on('close', output.onEnd);
  const kill = () => engine.page.close();
  t.teardown(kill);
  return { ...(await engine.start('files', options, output)), kill };
};

playWith(t, inSharedPage('page'));
playBeside(t, inOwnPage);

t.test('each address of a service has files of its own', async (t) => {
  const { url } = await startApi(t, { CORS_ORIGINS: ['*'] });
  const { url: elsewhere } = await FaultyProxy.open(t, url);
  const guestAt = async (url: string) => (await Game.start(t, inSharedPage('files'), { url })).ask('guest');
  t.not((await guestAt(url)).id, (await guestAt(elsewhere)).id);
});

t.test('outside of a browser, files are kept for the first game until it ends', async (t) => {
  const { url } = await startApi(t, { CORS_ORIGINS: ['*'] });
  const start = () => Game.start(t, inSharedPage('desktop'), { url });
  const first = await start();
  const { id } = await first.ask('guest');
  const second = await start();
  t.not((await second.ask('guest')).id, id);
  t.same([await first.ask('kept'), await second.ask('kept')], [true, false]);
  await second.kill();
  await first.kill();
  const third = await start();
  t.equal((await third.ask('guest')).id, id);
  await third.ask('crash');
  await third.kill();
  const fourth = await start();
  t.equal((await fourth.ask('guest')).id, id, 'a game that was killed');
  await fourth.ask('rename', { displayName: 'Ada' });
  await fourth.ask('hide session');
  await fourth.kill();
  const fifth = await start();
  t.not((await fifth.ask('guest')).id, id);
  t.notOk(await fifth.ask('kept'));
  await fifth.ask('show session');
  await fifth.kill();
  t.equal(
    (await (await start()).ask('guest')).id,
    id,
    'a session that could not be read is not written over',
  );
});

t.test('outside of a browser, what another game takes from one that stands still counts once', async (t) => {
  const { url, app } = await startApi(t, { CORS_ORIGINS: ['*'] });
  const proxy = await FaultyProxy.open(t, url);
  const start = () => Game.start(t, inSharedPage('desktop'), { url: proxy.url });
  proxy.isDown = true;
  const first = await start();
  const offline = { action: 'collect-coin', timeoutMs: 1 };
  await t.rejects(first.ask('perform', offline), { code: 'queued' });
  await first.ask('take away');
  proxy.isDown = false;
  await first.ask('perform', { action: 'finish-level', points: 7 });
  t.notOk(await first.ask('kept'));
  const { id } = await first.ask('guest');
  const second = await start();
  t.match(await second.next('counted'), { points: 10 });
  // After what it held before.
  await first.ask('perform', { action: 'collect-coin' });
  const { rows } = await app.pg.query<{ user: string; points: number }>(
    `SELECT typeid('usr', user_id) AS user, points::int FROM score_events ORDER BY accepted_at`,
  );
  t.match(rows, [
    { user: id, points: 7 },
    { user: (await second.ask('guest')).id, points: 10 },
    { user: id, points: 10 },
  ]);
  t.equal(rows.length, 3);
});

t.test('a session that another game has taken is not refreshed', async (t) => {
  const { url } = await startApi(t, { CORS_ORIGINS: ['*'] });
  const proxy = await FaultyProxy.open(t, url);
  const start = (kept?: Kept) =>
    Game.start(t, inSharedPage('page'), { url: proxy.url, ...(kept && { kept }) });
  const before = await start();
  const { id } = await before.ask('guest');
  await before.kill();
  before.kept.write('session', before.kept.read('session').replace(/"refreshAt":\d+/, '"refreshAt":0'));
  const game = await start(before.kept);
  proxy.isDown = true;
  const refreshing = t.rejects(game.ask('rename', { displayName: 'Ada' }));
  await game.ask('take away');
  proxy.isDown = false;
  await refreshing;
  t.not((await game.ask('guest')).id, id);
});

t.test('the board shows its top, and the player below', async (t) => {
  const { url, api } = await startApi(t, { CORS_ORIGINS: ['*'] });
  const game = await Game.start(t, inSharedPage('page'), { url });
  await game.ask('guest', { displayName: 'Ada' });
  await game.ask('rows', { limit: 1 });
  await game.ask('perform', { action: 'collect-coin' });
  const shows = (rows: string[]) => eventually(async () => assert.deepEqual(await game.ask('rows'), rows));
  await shows(['1. Ada  10']);
  const bo = await newPlayer(api, 'Bo [b]');
  for (const _ of ['a coin', 'another']) {
    const granted = await bo.api.post('/v1/action-tokens', { action: 'collect-coin' });
    await bo.api.post('/v1/scores', { actionToken: Object(granted.body).actionToken });
  }
  await shows(['1. Bo [b]  20', '2. Ada  10']);
});

t.test('the sample is played beside the script of the guide, and its board shows the score', async (t) => {
  const { url, app } = await startApi(t, { CORS_ORIGINS: ['*'] });
  const page = await browser.newPage();
  t.teardown(() => page.close());
  failOnErrors(t, page);
  const [, script = ''] = /^```gdscript\n(.*?)^```$/ms.exec(readFileSync('docs/engines.md', 'utf8')) ?? [];
  const atService = ({ name, bytes }: PackedFile): PackedFile => ({
    name,
    bytes:
      name === 'project.godot'
        ? Buffer.from(
            String(bytes)
              .replace('http://localhost:3000', url)
              .replace('[autoload]\n', '[autoload]\n\nLevel="*res://level.gd"'),
          )
        : bytes,
  });
  const level = { name: 'level.gd', bytes: Buffer.from(script) };
  const body = pack([...filesOf('clients/godot').map(atService), level]);
  await page.route(`${site}/sample.pck`, (route) => route.fulfill({ body }));
  await page.goto(`${site}/sample.html`);
  const points = await eventually(async () => {
    await page.locator('#canvas').click({ position: { x: 140, y: 80 } });
    const { rows } = await app.pg.query<{ points: number }>('SELECT points::int FROM score_events');
    const [event] = rows;
    assert(event !== undefined);
    return event.points;
  }, 60_000);
  t.ok(points > 0);
  const part = (x: number, y: number) => page.screenshot({ clip: { x, y, width: 200, height: 24 } });
  const empty = await part(330, 360);
  await eventually(async () => assert.notDeepEqual(await part(330, 10), empty));
  await keepScreenshot(page, 'godot-sample');
});
