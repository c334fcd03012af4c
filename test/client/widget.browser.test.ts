import assert from 'node:assert/strict';
import t from 'tap';
import { eventually, newPlayer, startApi } from '../api.js';
import { startService } from '../faults/service.js';
import { buildTestDatabase } from '../helper.js';
import { GameServer, newToken } from '../ledger/game-server.js';
import { keepScreenshot, serveSite } from './browser.js';
import {
  CEILING,
  element,
  names,
  reportOf,
  rows,
  scores,
  shows,
  startFanSite,
  state,
  TWO_FRAMES,
} from './fan-site.js';

const { app, api, url, newBoard, visit } = await startFanSite(t);
t.test('one script tag on a page of another origin shows a live board', async (t) => {
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
  t.equal((await reportOf(page)).shift, 0, 'no layout shift from the skeleton to the rows');

  await page.evaluate(TWO_FRAMES);
  const start = performance.now();
  await board.score(bo, 500);
  await shows(page, ['Bo', 'Ada']);
  t.comment(`shown ${Math.round(performance.now() - start)} ms after the score was posted`);
  await eventually(async () => assert.deepEqual(await scores(page), ['1,400', '1,200']));
  const moved = (await reportOf(page)).animated.filter(({ transform }) => transform);
  t.same(
    moved,
    [
      { row: 'Bo', transform: ['translateY(100%)', 'none'] },
      { row: 'Ada', transform: ['translateY(-100%)', 'none'] },
    ],
    'each row glides from its old place',
  );
  t.ok((await reportOf(page)).shift < 0.01);
  await board.score(ada, 1);
});

t.test('an entry that moves again during its animation continues from its current place', async (t) => {
  const board = await newBoard('Overtaking');
  const [ada, bo] = [await board.join('Ada', 30), await board.join('Bo', 20)];
  const page = await visit(t, element(board));
  await shows(page, ['Ada', 'Bo']);
  await page.evaluate(TWO_FRAMES);
  // Freezes animations halfway, so that the speed of the machine does not matter.
  await page.evaluate(`{
    const { play } = Animation.prototype;
    Animation.prototype.play = function () {
      play.call(this);
      this.pause();
      this.currentTime = 100;
    };
  }`);
  await board.score(bo, 20);
  await shows(page, ['Bo', 'Ada']);
  const offset = await rows(page)
    .first()
    .evaluate((row) => {
      const view = row.ownerDocument.defaultView;
      return new view.DOMMatrix(view.getComputedStyle(row).transform).f / row.offsetHeight;
    });
  t.ok(offset > 0.01 && offset < 0.99, `${offset} of a row to go`);
  await board.score(ada, 20);
  await shows(page, ['Ada', 'Bo']);
  const { animated } = await reportOf(page);
  const last = animated.filter(({ row, transform }) => row === 'Bo' && transform).at(-1);
  const from = Number(/-?[\d.]+/.exec(last?.transform?.[0] ?? '')?.[0]) / 100;
  t.ok(Math.abs(from - (offset - 1)) < 0.01, `from ${from}, its current place, and not from -1`);
});

t.test("the user's row is highlighted, also below the top, with its rank", async (t) => {
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
  const total = page.locator('live-leaderboard .total');
  t.equal(await total.innerText(), '6 players');
  const heightOf = () => page.locator('live-leaderboard').evaluate((host) => host.offsetHeight);
  const height = await heightOf();
  await board.score(me, 3);
  await shows(page, ['Rival 0', 'Grace', 'Rival 1']);
  t.equal(await rows(page).nth(1).getAttribute('aria-current'), 'true');
  t.equal(await own.count(), 0, 'it is shown once');
  t.equal(await total.innerText(), '6 players');
  t.equal(await heightOf(), height, 'the height stays');
});

t.test('equal scores have ranks of their own, share one, or leave no gaps', async (t) => {
  const board = await newBoard('Ties');
  for (const [i, points] of [50, 40, 40, 30].entries()) await board.join(`Rival ${i}`, points);
  const me = await board.join('Grace', 10);
  const twin = await board.join('Twin', 10);
  const kinds = ['unique', 'shared', 'dense', 'nonsense'];
  const elements = kinds.map((ranks) => element(board, `limit="4" user="${twin}" ranks="${ranks}"`));
  const page = await visit(t, elements.join(''));
  const shown = async (part: string) =>
    Promise.all(
      kinds.map((_, i) => page.locator('live-leaderboard').nth(i).locator(`${part} .rank`).allInnerTexts()),
    );
  await eventually(async () => {
    assert.deepEqual(await shown('tbody'), [
      ['1', '2', '3', '4'],
      ['1', '2', '2', '4'],
      ['1', '2', '2', '3'],
      ['1', '2', '3', '4'],
    ]);
    assert.deepEqual(await shown('tfoot'), [['6'], ['5'], [''], ['6']]);
  }, CEILING.timeout);
  await board.score(me, 1);
  await eventually(async () => assert.deepEqual(await shown('tfoot'), [['6'], ['6'], [''], ['6']]));
});

t.test("the user's row stays visible when the element scrolls", async (t) => {
  const board = await newBoard('Long');
  const ids = [];
  for (let i = 0; i < 30; i++) ids.push(await board.join(`Player ${i}`, 100 - i));
  const page = await visit(
    t,
    `<style>live-leaderboard { height: 320px; overflow: auto }</style>${element(board, `limit="30" user="${ids[24]}"`)}`,
  );
  const host = page.locator('live-leaderboard');
  const own = host.locator('.own');
  await own.waitFor(CEILING);
  const box = await host.boundingBox();
  const isVisible = async () => {
    const row = await own.boundingBox();
    return !!row && !!box && row.y >= box.y - 1 && row.y + row.height <= box.y + box.height + 1;
  };
  t.ok(await isVisible(), 'at the lower edge while its place is further down');
  await host.evaluate((host) => host.scrollTo(0, host.scrollHeight));
  t.ok(await isVisible(), 'at its place');
  await host.evaluate((host) => host.setAttribute('limit', '5'));
  await host.locator('tfoot .own').waitFor(CEILING);
  await host.evaluate((host) => host.scrollTo(0, 0));
  t.ok(await isVisible(), 'below the top');
});

t.test('without a connection it says so, keeps the board, and catches up later', async (t) => {
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

t.test('for a board that does not exist, or has no scores yet, it shows a message', async (t) => {
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

t.test('a display name is always shown as text', async (t) => {
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

t.test('it works under a strict Content-Security-Policy', async (t) => {
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
  t.equal(display, 'grid', 'the styles apply');
  t.same((await reportOf(page)).violations, []);
});

t.test('with reduced motion nothing is animated', async (t) => {
  const board = await newBoard('Still');
  const [ada, bo] = [await board.join('Ada', 10), await board.join('Bo', 5)];
  const page = await visit(t, element(board, `user="${ada}"`), { reducedMotion: 'reduce' });
  await shows(page, ['Ada', 'Bo']);
  await board.score(bo, 1_000_000);
  await shows(page, ['Bo', 'Ada']);
  t.same(await scores(page), ['1,000,005', '10'], 'without counting up');
  const animations = () => page.locator('html').evaluate((root) => root.ownerDocument.getAnimations().length);
  t.equal(await animations(), 0);
  await page.locator('live-leaderboard').evaluate((host) => host.setAttribute('src', 'http://127.0.0.1:1'));
  await page.locator('live-leaderboard .bone').first().waitFor(CEILING);
  t.equal(await animations(), 0, 'the skeleton is not animated either');
  t.same((await reportOf(page)).animated, []);
});

t.test('it supports right-to-left layout and the digits of its language', async (t) => {
  const board = await newBoard('لوحة المتصدرين');
  await board.join('ليلى', 98_210);
  await board.join('Ada', 4_321);
  const page = await visit(t, element(board), { attributes: 'lang="ar-EG" dir="rtl"' });
  await shows(page, ['ليلى', 'Ada']);
  t.same(await scores(page), ['٩٨٬٢١٠', '٤٬٣٢١']);
  const at = async (part: string) => (await rows(page).nth(1).locator(part).boundingBox())?.x ?? Number.NaN;
  t.ok((await at('.score')) < (await at('.name')) && (await at('.name')) < (await at('.rank')));
  await keepScreenshot(page, 'right-to-left');
  await page.locator('live-leaderboard').evaluate((host) => host.setAttribute('lang', 'de'));
  await eventually(async () => assert.deepEqual(await scores(page), ['98.210', '4.321']));
});

t.test('a text keeps to the side of the page, in its own direction', async (t) => {
  const board = await newBoard('Grand Prix');
  await board.join('Ada', -250);
  const page = await visit(t, element(board, 'lang="en"'), { attributes: 'lang="ar" dir="rtl"' });
  await shows(page, ['Ada']);
  const rightOf = (part: string) =>
    page
      .locator(`live-leaderboard ${part}`)
      .first()
      .evaluate((text) => {
        const range = text.ownerDocument.createRange();
        range.selectNodeContents(text);
        return text.getBoundingClientRect().right - range.getBoundingClientRect().right;
      });
  for (const part of ['.title', '.name span', '.total span']) t.equal(await rightOf(part), 0, part);
  const isLeftToRight = (part: string) =>
    page
      .locator(`live-leaderboard ${part}`)
      .first()
      .evaluate((text) => text.ownerDocument.defaultView.getComputedStyle(text).direction === 'ltr');
  for (const part of ['.score bdi', '.total span', '.state span']) t.ok(await isLeftToRight(part), part);
});

t.test('its texts are in the language of the page, or its own', async (t) => {
  const board = await newBoard('Tour');
  await board.join('Ada', 5);
  const page = await visit(t, element(board), { attributes: 'lang="fr-CA"' });
  await shows(page, ['Ada']);
  const host = page.locator('live-leaderboard');
  const set = (name: string, value: string) =>
    host.evaluate((host, [name, value]) => host.setAttribute(name, value), [name, value]);
  const texts = () => host.locator('thead th, .total span:first-child').allInnerTexts();
  t.same(await texts(), ['Rang', 'Joueur', 'Score', '1 joueur']);
  for (const name of ['Bo', 'Cy', 'Di', 'Em']) await board.join(name, 1);
  await set('lang', 'pl');
  await host.getByText('5 graczy').waitFor(CEILING);
  for (const [lang, player] of [
    ['en', 'Player'],
    ['de', 'Name'],
    ['es', 'Jugador'],
    ['pt-BR', 'Jogador'],
    ['it', 'Giocatore'],
    ['ar', 'اللاعب'],
    ['ja', 'プレイヤー'],
    ['zh-Hans', '玩家'],
    ['sw', 'Player'],
  ] as const) {
    await set('lang', lang);
    await host.getByRole('columnheader', { name: player, exact: true }).waitFor(CEILING);
  }
  await set(
    'texts',
    '{"player": "Racer", "total": {"one": "One racer", "other": "{count} racers"}, "rank": 7}',
  );
  await host.getByText('5 racers').waitFor(CEILING);
  t.same((await texts()).slice(0, 2), ['Rank', 'Racer']);
  await set('texts', 'not JSON');
  await host.getByText('5 players').waitFor(CEILING);
});

t.test('scores and the title are written in the language of the page', async (t) => {
  const board = await newBoard('Laps', {
    unit: { kind: 'duration' },
    titles: { en: 'Fastest lap', de: 'Schnellste Runde' },
  });
  const me = await board.join('Ada', 83_456);
  const page = await visit(t, element(board, `user="${me}"`));
  const host = page.locator('live-leaderboard');
  await eventually(async () => assert.deepEqual(await scores(page), ['1:23.456']), CEILING.timeout);
  await host.getByText('Fastest lap').waitFor(CEILING);
  t.equal(await host.locator('td.score').getAttribute('title'), '1:23.456');
  await host.evaluate((element) => element.setAttribute('lang', 'de-AT'));
  await host.getByText('Schnellste Runde').waitFor(CEILING);
  t.same(await scores(page), ['1:23,456']);
  await host.evaluate((element) => element.setAttribute('lang', 'fr'));
  await host.getByText('Laps', { exact: true }).waitFor(CEILING);
  await board.score(me, 3_600_000);
  await eventually(async () => assert.deepEqual(await scores(page), ['1:01:23,456']), CEILING.timeout);
});

t.test('public metadata has a column, and elements of the page take its place', async (t) => {
  const board = await newBoard('Cars');
  const ada = await board.join('Ada', 5);
  const bo = await board.join('Bo', 3);
  await board.score(ada, 1, { car: '<b>Comet</b>', secret: 'x' });
  await board.score(bo, 1, { car: 7_000 });
  const slotted = `<i slot="column">Racing car</i><a slot="column-${bo}" href="#replay">Watch</a>`;
  const page = await visit(t, element(board, 'column="car"').replace('></', `>${slotted}</`));
  const cells = page.locator('live-leaderboard tbody td.column');
  await shows(page, ['Ada', 'Bo']);
  await eventually(
    async () => assert.equal(await cells.first().innerText(), '<b>Comet</b>'),
    CEILING.timeout,
  );
  const table = page.getByRole('table', { name: 'Cars', exact: true });
  t.equal(await table.getByRole('columnheader').count(), 4);
  // Elements of the page stay outside of the table, and are shown in it.
  for (const text of ['Racing car', 'Watch']) t.equal(await page.getByText(text).isVisible(), true);
  await page.locator('live-leaderboard a').evaluate((link) => link.remove());
  t.equal(await cells.nth(1).innerText(), '7,000');
  await page.locator('live-leaderboard').evaluate((host) => host.removeAttribute('column'));
  await eventually(async () => assert.equal(await cells.count(), 0));
});

t.test('a service that does not answer, or not to this page, is told of after eight seconds', async (t) => {
  const board = await newBoard('Late');
  const other = await startApi(t, { CORS_ORIGINS: ['https://elsewhere.example'] });
  const page = await visit(t, '<p></p>');
  await page.clock.install();
  const silent = await serveSite(t, { '/': { html: '' } });
  const start = await page.evaluate<number>(
    `document.querySelector('main').innerHTML = ${JSON.stringify(
      `<live-leaderboard src="http://127.0.0.1:1"></live-leaderboard>
       <live-leaderboard src="${other.url}"></live-leaderboard>
       <live-leaderboard src="${silent}"></live-leaderboard>`,
    )};
    Date.now()`,
  );
  const tell = page.locator('live-leaderboard').getByText('The leaderboard does not answer');
  await page.locator('live-leaderboard .bone').first().waitFor(CEILING);
  await page.clock.pauseAt(start + 7_900);
  t.equal(await tell.count(), 0);
  await page.clock.resume();
  await eventually(async () => assert.equal(await tell.count(), 3), CEILING.timeout);
  await page
    .locator('live-leaderboard')
    .first()
    .evaluate((host, src) => host.setAttribute('src', src), url);
  await page
    .locator('live-leaderboard')
    .first()
    .evaluate((host, id) => host.setAttribute('board', id), board.id);
  await page.locator('live-leaderboard').first().getByText('No scores yet').waitFor(CEILING);
});

t.test('a score of 16 digits leaves room for the name', async (t) => {
  const board = await newBoard('Long numbers');
  await board.join('Maximiliana von Hohenzollern', 9_007_199_254_740_991);
  const page = await visit(t, `<div style="width: 360px">${element(board)}</div>`);
  await shows(page, ['Maximiliana von Hohenzollern']);
  await eventually(async () => assert.deepEqual(await scores(page), ['9007T']));
  t.equal(await rows(page).locator('.score').getAttribute('title'), '9,007,199,254,740,991');
  await page.locator('main > div').evaluate((box) => box.setAttribute('style', 'width: 900px'));
  await eventually(async () => assert.deepEqual(await scores(page), ['9,007,199,254,740,991']));
});

t.test('any number of boards on a page share one stream', async (t) => {
  const boards = await Promise.all(Array.from({ length: 8 }, (_, i) => newBoard(`Board ${i}`)));
  const names = boards.map((_, i) => `Player ${i}`);
  const ids = await Promise.all(boards.map((board, i) => board.join(names[i] ?? '', 10)));
  await eventually(() => Promise.resolve(assert.equal(app.hub.active, 0)), CEILING.timeout);
  const page = await visit(
    t,
    boards.map((board, i) => element(board, `limit="${i + 1}" user="${ids[0]}"`)).join('') +
      boards.slice(7).map((board) => element(board, 'limit="1"')),
  );
  await shows(page, [...names, 'Player 7']);
  await eventually(() => Promise.resolve(assert.equal(app.hub.active, 1)), CEILING.timeout);
  await boards[7]?.score(ids[0] ?? '', 50);
  await shows(page, [...names.slice(0, 7), 'Player 0', 'Player 7', 'Player 0']);
  // While its boards change the page goes on to show what it has.
  await page.evaluate(
    `window.states = []; document.addEventListener('leaderboard-state', ({ detail }) => states.push(detail.state))`,
  );
  const first = page.locator('live-leaderboard').first();
  await first.evaluate((host) => host.setAttribute('board', 'no-such-board'));
  await first.getByText('There is no such leaderboard').waitFor(CEILING);
  await first.evaluate((host, id) => host.setAttribute('board', id), boards[1]?.id ?? '');
  await shows(page, ['Player 1', ...names.slice(1, 7), 'Player 0', 'Player 7', 'Player 0']);
  const states = await page.evaluate<string[]>('states');
  t.notOk(states.includes('reconnecting'), states.join());
  await eventually(() => Promise.resolve(assert.equal(app.hub.active, 1)), CEILING.timeout);
});

t.test('visible pages of one origin share a stream, and one takes over from another', async (t) => {
  const [cup, race] = [await newBoard('Cup'), await newBoard('Race')];
  const ada = await cup.join('Ada', 10);
  await race.join('Bo', 20);
  await eventually(() => Promise.resolve(assert.equal(app.hub.active, 0)), CEILING.timeout);
  const first = await visit(t, element(cup));
  await shows(first, ['Ada']);
  const second = await first.context().newPage();
  await second.goto(first.url());
  await shows(second, ['Ada']);
  await second.evaluate(
    `document.querySelector('main').insertAdjacentHTML('beforeend', ${JSON.stringify(element(race))})`,
  );
  await shows(second, ['Ada', 'Bo']);
  await eventually(() => Promise.resolve(assert.equal(app.hub.active, 1)), CEILING.timeout);
  await cup.score(ada, 5);
  for (const page of [first, second])
    await eventually(async () => assert.equal((await scores(page))[0], '15'), CEILING.timeout);
  await first.close();
  await cup.score(ada, 5);
  await eventually(async () => assert.equal((await scores(second))[0], '20'), CEILING.timeout);
  t.equal(await state(second).first().innerText(), 'Live');
  await eventually(() => Promise.resolve(assert.equal(app.hub.active, 1)), CEILING.timeout);
  const turn = (visibility: string) =>
    second.evaluate(`{
      Object.defineProperty(document, 'visibilityState', { value: '${visibility}', configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }`);
  await turn('hidden');
  await eventually(() => Promise.resolve(assert.equal(app.hub.active, 0)), CEILING.timeout);
  await cup.score(ada, 5);
  await turn('visible');
  await eventually(async () => assert.equal((await scores(second))[0], '25'), CEILING.timeout);
  await state(second).first().getByText('Live').waitFor(CEILING);
  await second.close();
  await eventually(() => Promise.resolve(assert.equal(app.hub.active, 0)), CEILING.timeout);
});

t.test('it counts down to the end of the season, shows the winners, then the new season', async (t) => {
  const board = await newBoard('Weekly cup');
  const ada = await board.join('Ada', 30);
  await board.join('Bo', 20);
  const page = await visit(t, element(board, `user="${ada}"`), { attributes: 'lang="de"' });
  await page.clock.install();
  await shows(page, ['Ada', 'Bo']);
  const host = page.locator('live-leaderboard');
  const ends = host.locator('.ends');
  t.equal(await ends.innerText(), '', 'an open end is not counted down to');
  await board.endSeason();
  await ends.getByText(/^Endet in \d+ Sek\.$/).waitFor(CEILING);
  await state(page).getByText('Endstand').waitFor(CEILING);
  t.same(await names(page), ['Ada', 'Bo'], 'the winners');
  await board.score(ada, 5);
  await keepScreenshot(page, 'winners');
  t.same(await scores(page), ['30', '20'], 'what comes later is of the new season');
  await page.clock.fastForward(20_000);
  await eventually(async () => assert.deepEqual(await scores(page), ['5']), CEILING.timeout);
  t.equal(await state(page).innerText(), 'Live');
  t.match(await host.locator('.total').innerText(), /^1 dabei/);
});

t.test('attributes can change, and a removed element closes its stream', async (t) => {
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

  const streams: string[] = [];
  page.on('request', (request) => request.url().includes('/stream') && streams.push(request.url()));
  const document = page.locator('html');
  await document.evaluate((root) => {
    const host = root.querySelector('live-leaderboard');
    root.querySelector('p').append(host, host.cloneNode());
  });
  await shows(page, ['Two', 'Two']);
  t.equal(app.hub.active, 1, 'two elements of the same board share a stream');
  t.same(streams, [], 'a moved element keeps its stream');
  await document.evaluate((root) => root.querySelector('p').replaceChildren());
  await eventually(async () => assert.equal(app.hub.active, 0), CEILING.timeout);
});

t.test("it announces a new leader and the user's rank to screen readers, but not too often", async (t) => {
  const board = await newBoard('Listening');
  const [ada, bo] = [await board.join('Ada', 1_000), await board.join('Bo', 999)];
  const page = await visit(t, element(board, `user="${bo}"`));
  await shows(page, ['Ada', 'Bo']);
  const status = page.locator('live-leaderboard [role=status]');
  t.equal(await status.textContent(), '', 'no announcement yet');
  await status.evaluate((region) => {
    const view = region.ownerDocument.defaultView;
    view.report.announced = [];
    new view.MutationObserver(() => view.report.announced.push(region.textContent)).observe(region, {
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
  const announced = () => page.evaluate<string[]>('report.announced');
  // The board and the rank arrive in separate events, so one may be announced before the other.
  await eventually(async () => {
    const sentences = (await announced()).join(' ').split(/(?<=\.) /);
    assert.equal(
      sentences.findLast((sentence) => sentence.endsWith('leads.')),
      'Bo leads.',
    );
    assert.equal(
      sentences.findLast((sentence) => sentence.includes('rank')),
      'Your rank is 1 of 2.',
    );
  }, CEILING.timeout);
  const times = (await announced()).length;
  t.ok(times <= 1 + (performance.now() - start) / 5_000, `${times} announcements of 11 changes`);
});
