import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import type { Locator, Page } from 'playwright-core';
import t from 'tap';
import { eventually, newPlayer } from '../api.js';
import { startService } from '../faults/service.js';
import { buildTestDatabase } from '../helper.js';
import { GameServer, newToken } from '../ledger/game-server.js';
import { keepScreenshot } from './browser.js';
import { type Board, reportOf, startFanSite } from './fan-site.js';

const { app, api, url, newBoard, visit } = await startFanSite(t);
/** For what takes a moment on an idle machine. */
const CEILING = { timeout: 20_000 };

const rows = (page: Page): Locator => page.locator('live-leaderboard tbody .entry');
const names = (page: Page): Promise<string[]> => rows(page).locator('.name > span').allTextContents();
const scores = (page: Page): Promise<string[]> => rows(page).locator('.score').allTextContents();
const state = (page: Page): Locator => page.locator('live-leaderboard .state');

async function shows(page: Page, expected: string[]): Promise<void> {
  await eventually(async () => assert.deepEqual(await names(page), expected), CEILING.timeout);
}

const element = (board: Board, more = '') =>
  `<live-leaderboard board="${board.id}" ${more}></live-leaderboard>`;

t.test('one script tag on a page of another origin shows a board, and follows it', async (t) => {
  const board = await newBoard('Grand Prix');
  const ada = await board.join('Ada', 1_200);
  const bo = await board.join('Bo', 900);
  const page = await visit(t, `${element(board)}<p>below</p>`);
  await shows(page, ['Ada', 'Bo']);
  t.same(await scores(page), ['1,200', '900']);
  t.equal(await page.locator('live-leaderboard .title').textContent(), 'Grand Prix');
  t.equal(await page.locator('live-leaderboard .total').textContent(), '2 players');
  await state(page).getByText('Live').waitFor();

  const table = page.getByRole('table', { name: 'Grand Prix', exact: true });
  t.equal(await table.getByRole('columnheader').count(), 3);
  t.equal(await table.getByRole('rowheader').count(), 2);
  t.same((await reportOf(page)).shifts, [], 'nothing has moved the page, from the skeleton to the rows');

  const start = performance.now();
  await board.score(bo, 500);
  await shows(page, ['Bo', 'Ada']);
  t.comment(`shown ${Math.round(performance.now() - start)} ms after the score was posted`);
  await eventually(async () => assert.deepEqual(await scores(page), ['1,400', '1,200']));
  const moved = (await reportOf(page)).animated.filter(({ transform }) => transform);
  const height = (await rows(page).first().boundingBox())?.height;
  t.same(
    moved,
    [
      { row: 'Bo', transform: [`translateY(${height}px)`, 'translateY(0px)'] },
      { row: 'Ada', transform: ['translateY(0px)', `translateY(${height}px)`] },
    ],
    'each glides from where it was',
  );
  t.same((await reportOf(page)).shifts, []);
  await board.score(ada, 1);
});

t.test('a row that is overtaken while it glides goes on from where it is', async (t) => {
  const board = await newBoard('Overtaking');
  const [ada, bo] = [await board.join('Ada', 30), await board.join('Bo', 20)];
  const page = await visit(t, element(board));
  await shows(page, ['Ada', 'Bo']);
  // Stopped half-way, whatever the machine is doing.
  const glide = (from: Locator) =>
    from.evaluate((row) => {
      for (const animation of row.getAnimations()) {
        animation.pause();
        animation.currentTime = 100;
      }
      return new row.ownerDocument.defaultView.DOMMatrix(
        row.ownerDocument.defaultView.getComputedStyle(row).transform,
      ).f;
    });
  await page.evaluate(`{
    const { animate } = Element.prototype;
    Element.prototype.animate = function (...given) {
      const animation = animate.apply(this, given);
      if (given[0].transform) animation.pause();
      return animation;
    };
  }`);
  await board.score(bo, 20);
  await shows(page, ['Bo', 'Ada']);
  const height = (await rows(page).first().boundingBox())?.height ?? 0;
  const below = await glide(rows(page).first());
  t.ok(below > 1 && below < height - 1, `${below} of ${height} px to go`);
  await board.score(ada, 20);
  await shows(page, ['Ada', 'Bo']);
  const { animated } = await reportOf(page);
  const last = animated.filter(({ row, transform }) => row === 'Bo' && transform).at(-1);
  const from = Number(/-?[\d.]+/.exec(last?.transform?.[0] ?? '')?.[0]);
  t.ok(Math.abs(from - below) < 1, `from ${from}, where it was, and not from 0`);
});

t.test('the own row stands out, also below the top, with its rank', async (t) => {
  const board = await newBoard('Own row');
  for (let i = 0; i < 5; i++) await board.join(`Rival ${i}`, 100 - i);
  const me = await board.join('Grace', 10);
  const page = await visit(t, element(board, `limit="3" user="${me}"`));
  const own = page.locator('live-leaderboard tfoot .own');
  await own.getByText('Grace').waitFor(CEILING);
  t.same(await names(page), ['Rival 0', 'Rival 1', 'Rival 2']);
  t.equal(await own.locator('.rank').innerText(), '6');
  t.equal(await own.getAttribute('aria-current'), 'true');
  await board.score(me, 87);
  await eventually(async () => {
    assert.equal(await own.locator('.rank').innerText(), '5');
    assert.equal(await own.locator('.score').innerText(), '97');
  });
  await board.score(me, 3);
  await shows(page, ['Rival 0', 'Grace', 'Rival 1']);
  t.equal(await rows(page).nth(1).getAttribute('aria-current'), 'true');
  t.equal(await own.count(), 0, 'it is there once');
  t.equal(await page.locator('live-leaderboard .total').innerText(), '6 players');
});

t.test('the own row stays in sight where the element scrolls', async (t) => {
  const board = await newBoard('Long');
  const ids = [];
  for (let i = 0; i < 30; i++) ids.push(await board.join(`Player ${i}`, 100 - i));
  const page = await visit(
    t,
    `<style>live-leaderboard { height: 320px; overflow: auto }</style>${element(board, `limit="30" user="${ids[24]}"`)}`,
  );
  const host = page.locator('live-leaderboard');
  const own = host.locator('.own');
  await own.first().waitFor(CEILING);
  const box = await host.boundingBox();
  const inSight = async () => {
    for (const row of await own.all()) {
      const { y, height } = (await row.boundingBox()) ?? { y: Number.NaN, height: 0 };
      if (box && y >= box.y - 1 && y + height <= box.y + box.height + 1) return true;
    }
    return false;
  };
  const staysInSight = () => eventually(async () => assert(await inSight()), CEILING.timeout);
  await staysInSight();
  t.equal(await own.count(), 2, 'at the lower edge, since its place is below');
  await own.first().evaluate((row) => row.scrollIntoView());
  await eventually(async () => assert.equal(await own.count(), 1), CEILING.timeout);
  t.ok(await inSight(), 'at its place');
  await host.evaluate((host) => host.setAttribute('limit', '5'));
  await host.locator('tfoot .own').waitFor(CEILING);
  await host.evaluate((host) => host.scrollTo(0, 0));
  t.ok(await inSight(), 'below the top');
});

t.test('without a service it says so, keeps the board, and catches up', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  let service = await startService(t, databaseUrl);
  const game = new GameServer(t);
  const join = async (name: string) => (await newPlayer(api.at(service.url), name)).id;
  const score = (user: string, points: number) =>
    game.post(service.url, newToken(user, points, { act: 'win-match' }));
  const [ada, bo] = [await join('Ada'), await join('Bo')];
  await score(ada, 300);
  await score(bo, 200);
  const page = await visit(t, `<live-leaderboard src="${service.url}"></live-leaderboard>`);
  await shows(page, ['Ada', 'Bo']);
  service.process.kill('SIGKILL');
  await service.ended;
  await state(page).getByText('Reconnecting').waitFor(CEILING);
  t.same(await names(page), ['Ada', 'Bo']);
  await keepScreenshot(page, 'reconnecting');
  const port = new URL(service.url).port;
  service = await startService(t, databaseUrl, { PORT: port });
  await score(bo, 500);
  await eventually(async () => assert.deepEqual(await names(page), ['Bo', 'Ada']), 60_000);
  await state(page).getByText('Live').waitFor(CEILING);
});

t.test('a board that does not exist, or has no scores yet, is a sentence', async (t) => {
  const board = await newBoard('Autumn cup');
  const page = await visit(t, element(board));
  await page.locator('live-leaderboard').getByText('No scores yet').waitFor(CEILING);
  await keepScreenshot(page, 'empty');
  await board.join('Ada', 5);
  await shows(page, ['Ada']);
  t.equal(await page.locator('live-leaderboard .message').count(), 0);

  await page.locator('live-leaderboard').evaluate((host) => host.setAttribute('board', 'no-such-board'));
  await page.locator('live-leaderboard').getByText('There is no such leaderboard').waitFor(CEILING);
  t.equal(await rows(page).count(), 0);
  await keepScreenshot(page, 'error');
  await page.locator('live-leaderboard').evaluate((host, id) => host.setAttribute('board', id), board.id);
  await shows(page, ['Ada']);
  for (const address of ['http://', 'javascript:1', 'http://127.0.0.1:1']) {
    await page.locator('live-leaderboard').evaluate((host, src) => host.setAttribute('src', src), address);
    await page.locator('live-leaderboard :is(.message, .bone)').first().waitFor(CEILING);
  }
});

t.test('a name is text, whatever it looks like', async (t) => {
  const board = await newBoard('<b>Title</b>');
  const name = '<img src=x onerror=report=0>';
  const me = await board.join(name, 7);
  const page = await visit(t, element(board, `user="${me}"`));
  await shows(page, [name]);
  t.equal(await page.locator('live-leaderboard img').count(), 0);
  t.equal(await page.locator('live-leaderboard b').count(), 0);
  t.equal(await page.locator('live-leaderboard .title').textContent(), '<b>Title</b>');
  t.type(await reportOf(page), 'object');
});

t.test('a page with a strict Content-Security-Policy has nothing to object to', async (t) => {
  const board = await newBoard('Strict');
  const me = await board.join('Ada', 100);
  await board.join('Bo', 200);
  const policy = `default-src 'none'; script-src ${url}; connect-src ${url}; require-trusted-types-for 'script'; trusted-types lit-html`;
  const page = await visit(t, element(board, `limit="1" user="${me}"`), {
    headers: { 'content-security-policy': policy },
  });
  await page.locator('live-leaderboard tfoot .own').getByText('Ada').waitFor(CEILING);
  await board.score(me, 500);
  await shows(page, ['Ada']);
  const display = await rows(page)
    .first()
    .evaluate((row) => row.ownerDocument.defaultView.getComputedStyle(row).display);
  t.equal(display, 'grid', 'and it is styled');
  t.same((await reportOf(page)).violations, []);
});

t.test('who wants a page that keeps still gets one', async (t) => {
  const board = await newBoard('Still');
  const [ada, bo] = [await board.join('Ada', 10), await board.join('Bo', 5)];
  const page = await visit(t, element(board, `user="${ada}"`), { reducedMotion: 'reduce' });
  await shows(page, ['Ada', 'Bo']);
  await board.score(bo, 1_000_000);
  await shows(page, ['Bo', 'Ada']);
  t.same(await scores(page), ['1,000,005', '10'], 'at once');
  const animations = () => page.locator('html').evaluate((root) => root.ownerDocument.getAnimations().length);
  t.equal(await animations(), 0);
  await page.locator('live-leaderboard').evaluate((host) => host.setAttribute('src', 'http://127.0.0.1:1'));
  await page.locator('live-leaderboard .bone').first().waitFor(CEILING);
  t.equal(await animations(), 0, 'nor does the skeleton move');
  t.same((await reportOf(page)).animated, []);
});

t.test('it is laid out from right to left, with the digits of its language', async (t) => {
  const board = await newBoard('لوحة المتصدرين');
  await board.join('ليلى', 98_210);
  await board.join('Ada', 4_321);
  const page = await visit(t, element(board), { attributes: 'lang="ar-EG" dir="rtl"' });
  await shows(page, ['ليلى', 'Ada']);
  t.same(await scores(page), ['٩٨٬٢١٠', '٤٬٣٢١']);
  const at = async (part: string) => (await rows(page).nth(1).locator(part).boundingBox())?.x ?? Number.NaN;
  t.ok((await at('.score')) < (await at('.name')) && (await at('.name')) < (await at('.rank')));
  await page.locator('live-leaderboard').evaluate((host) => host.setAttribute('lang', 'de'));
  await eventually(async () => assert.deepEqual(await scores(page), ['98.210', '4.321']));
});

t.test('attributes may change, and an element that leaves closes its stream', async (t) => {
  const [one, two] = [await newBoard('One'), await newBoard('Two')];
  for (let i = 0; i < 4; i++) await one.join(`One ${i}`, 100 - i);
  await two.join('Two', 5);
  t.equal(app.hub.active, 0);
  const page = await visit(t, `<div>${element(one)}</div><p></p>`);
  const set = (name: string, value: string) =>
    page
      .locator('live-leaderboard')
      .first()
      .evaluate((host, [name, value]) => host.setAttribute(name, value), [name, value]);
  await shows(page, ['One 0', 'One 1', 'One 2', 'One 3']);
  await set('limit', '2');
  await shows(page, ['One 0', 'One 1']);
  await set('board', two.id);
  await shows(page, ['Two']);
  await set('heading', 'Finals');
  t.equal(await page.locator('live-leaderboard .title').textContent(), 'Finals');
  await eventually(async () => assert.equal(app.hub.active, 1), CEILING.timeout);

  const document = page.locator('html');
  await document.evaluate((root) => {
    const host = root.querySelector('live-leaderboard');
    root.querySelector('p').append(host, host.cloneNode());
  });
  await shows(page, ['Two', 'Two']);
  t.equal(app.hub.active, 1, 'two that show the same share a stream, and moving an element keeps it');
  await document.evaluate((root) => root.querySelector('p').replaceChildren());
  await eventually(async () => assert.equal(app.hub.active, 0), CEILING.timeout);
});

t.test('it tells who listens of a new leader and of their own rank, but not all the time', async (t) => {
  const board = await newBoard('Listening');
  const [ada, bo] = [await board.join('Ada', 1_000), await board.join('Bo', 999)];
  const page = await visit(t, element(board, `user="${bo}"`));
  await shows(page, ['Ada', 'Bo']);
  const said = page.locator('live-leaderboard [role=status]');
  t.equal(await said.textContent(), '', 'nothing is new yet');
  await said.evaluate((region) => {
    const view = region.ownerDocument.defaultView;
    view.report.said = [];
    new view.MutationObserver(() => view.report.said.push(region.textContent)).observe(region, {
      childList: true,
    });
  });
  const start = performance.now();
  for (let lead = 10; lead < 15; lead++) {
    await board.score(bo, lead);
    await shows(page, ['Bo', 'Ada']);
    await board.score(ada, lead);
    await shows(page, ['Ada', 'Bo']);
  }
  await board.score(bo, 500);
  await eventually(async () => {
    assert.equal(await said.textContent(), 'Bo leads. Your rank is 1 of 2.');
  }, CEILING.timeout);
  const spoken = (await page.evaluate<string[]>('report.said')).length;
  t.ok(spoken <= 1 + (performance.now() - start) / 5_000, `${spoken} times for 11 changes`);
});

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WIDTHS = [390, 1024, 1920] as const;
const HEIGHTS = { 390: 760, 1024: 900, 1920: 1080 } as const;

t.test('axe finds nothing, in light and in dark; these are its looks', async (t) => {
  const board = await newBoard('Midnight Grand Prix');
  const players = [
    'Ada Lovelace',
    'Grace',
    'Kōji',
    'Zoë',
    'Maximiliana von Hohenzollern-Sig',
    'Linus',
    'ليلى',
  ];
  for (const [i, name] of players.entries()) await board.join(name, Math.round(48_210 / (i + 1) ** 0.6));
  for (let i = 7; i < 13; i++) await board.join(`Player ${i}`, Math.round(48_210 / (i + 1) ** 0.6));
  const me = await board.join('Amélie', 77);
  const empty = await newBoard('Autumn cup');
  for (const colorScheme of ['light', 'dark'] as const) {
    const page = await visit(
      t,
      `<style>:root { color-scheme: light dark }</style>${element(board, `user="${me}"`)}`,
      { colorScheme },
    );
    await page.locator('live-leaderboard tfoot .own').getByText('Amélie').waitFor(CEILING);
    await page.evaluate(AXE);
    const violations = async () => {
      const found: { violations: { id: string; nodes: { html: string }[] }[] } =
        await page.evaluate('axe.run()');
      return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`);
    };
    t.same(await violations(), [], `${colorScheme}, with the own row below`);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: HEIGHTS[width] });
      await keepScreenshot(page, `board-${width}-${colorScheme}`);
      const overflow = await page.locator('html').evaluate((root) => root.scrollWidth - root.clientWidth);
      t.equal(overflow, 0, `${width} pixels are enough`);
    }
    for (const [id, text] of [
      [empty.id, 'No scores yet'],
      ['no-such-board', 'no such leaderboard'],
    ] as const) {
      await page.locator('live-leaderboard').evaluate((host, id) => host.setAttribute('board', id), id);
      await page.locator('live-leaderboard').getByText(text).waitFor(CEILING);
      t.same(await violations(), [], `${colorScheme}: ${text}`);
    }
    await page.locator('live-leaderboard').evaluate((host) => host.setAttribute('src', 'http://127.0.0.1:1'));
    await page.locator('live-leaderboard .bone').first().waitFor(CEILING);
    t.same(await violations(), [], `${colorScheme}: still loading`);
  }
});

t.test('the theme attribute is stronger than what the system prefers', async (t) => {
  const board = await newBoard('Theme');
  const page = await visit(t, element(board, 'theme="dark"'), { colorScheme: 'light' });
  await page.locator('live-leaderboard .board').waitFor(CEILING);
  const background = () =>
    page
      .locator('live-leaderboard .board')
      .evaluate((surface) => surface.ownerDocument.defaultView.getComputedStyle(surface).backgroundColor);
  t.equal(await background(), 'rgb(13, 19, 28)');
  await page.locator('live-leaderboard').evaluate((host) => host.setAttribute('theme', 'light'));
  t.equal(await background(), 'rgb(255, 255, 255)');
  await page
    .locator('live-leaderboard')
    .evaluate((host) => host.style.setProperty('--leaderboard-background', 'red'));
  t.equal(await background(), 'rgb(255, 0, 0)', 'and a page may set its own');
});

t.test('100 rows and 10 updates a second leave time for frames', async (t) => {
  const board = await newBoard('Busy');
  const ids: string[] = [];
  for (let i = 0; i < 100; i++) ids.push(await board.join(`Player ${i}`, 1_000 + i));
  const page = await visit(t, element(board, `limit="100" user="${ids[50]}"`));
  await eventually(async () => assert.equal(await rows(page).count(), 100), CEILING.timeout);
  await page.evaluate(`report.longFrames.length = 0; report.frames = []; {
    let last = performance.now();
    const frame = (now) => { report.frames.push(now - last); last = now; requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
  }`);
  let updates = 0;
  await page.exposeFunction('counted', () => updates++);
  await page.evaluate(
    `document.querySelector('live-leaderboard').addEventListener('leaderboard-change', counted)`,
  );
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1_000;
  for (let i = 0; seconds() < 5; i++) {
    const users = [0, 1, 2, 3, 4].map((k) => ids[(i * 37 + k * 19) % 100] ?? '');
    const pause = new Promise((resolve) => setTimeout(resolve, 95));
    await Promise.all(users.map((id, k) => board.score(id, 150 + k)));
    await pause;
  }
  const frames = (await page.evaluate<number[]>('report.frames')).sort((a, b) => a - b);
  const { longFrames, shifts } = await reportOf(page);
  const at = (share: number) => (frames[Math.floor(frames.length * share)] ?? Number.NaN).toFixed(1);
  t.comment(
    `${(updates / seconds()).toFixed(1)} updates/s, ${(frames.length / seconds()).toFixed(1)} frames/s, ` +
      `frame ms p50 ${at(0.5)} p95 ${at(0.95)} p99 ${at(0.99)} max ${frames.at(-1)?.toFixed(0)}, ` +
      `over 50 ms: ${longFrames.length} of ${frames.length}, layout shifts ${shifts.length}`,
  );
  t.ok(updates > 5, 'it was busy');
  t.ok(frames.length / seconds() > 5, 'and alive');
  t.same(shifts, []);
});

t.test('it weighs less than 15 KB', async (t) => {
  const bytes = gzipSync(readFileSync('client/dist/widget.js'), { level: 9 }).length;
  t.comment(`${bytes} bytes`);
  t.ok(bytes < 15_000);
});
