import assert from 'node:assert/strict';
import type { Locator, Page } from 'playwright-core';
import t from 'tap';
import { eventually } from '../api.js';
import { type Board, CEILING, element, reportOf, rows, shows, startFanSite } from './fan-site.js';

const { newBoard, visit, api } = await startFanSite(t);

/** Ada, Bo, Cleo and Dan; then Cleo overtakes Bo, and Eve comes between. @returns when it was not so yet */
async function overtake(board: Board) {
  await board.join('Ada', 50);
  const bo = await board.join('Bo', 40);
  const cleo = await board.join('Cleo', 30);
  const dan = await board.join('Dan', 20);
  const since = await board.lastTime(api);
  await board.score(cleo, 15);
  const eve = await board.join('Eve', 42);
  return { since, bo, cleo, dan, eve };
}

/** What a row says of its movement: as a reader sees it, and as a screen reader says it. */
const arrowOf = async (row: Locator): Promise<string> => {
  const arrow = row.locator('.rank').locator('i, em');
  if ((await arrow.count()) === 0) return '';
  const seen = await arrow.evaluate(
    (mark) =>
      mark.ownerDocument.defaultView.getComputedStyle(mark, '::before').content.replaceAll(/"|none/g, '') +
      mark.textContent,
  );
  const said = await arrow.getAttribute('title');
  if (said !== null) assert.equal(await arrow.getAttribute('role'), 'img');
  return said === null ? seen : `${seen} ${said}`;
};
const arrows = async (page: Page): Promise<string[]> => Promise.all((await rows(page).all()).map(arrowOf));

t.test('arrows show how entries have moved since a time, and go on to', async (t) => {
  const board = await newBoard('Movers');
  const { since, bo, dan, eve } = await overtake(board);
  const asked: string[] = [];
  const page = await visit(t, element(board, `limit="4" user="${dan}"`));
  page.on('request', (request) => request.url().includes('asOf') && asked.push(request.url()));
  await shows(page, ['Ada', 'Cleo', 'Eve', 'Bo']);
  t.same(await arrows(page), ['', '', '', ''], 'none without the attribute');
  const host = page.locator('live-leaderboard');
  const set = (name: string, value: string) =>
    host.evaluate((host, [name, value]) => host.setAttribute(name, value), [name, value]);
  await set('since', since);
  await eventually(async () => {
    assert.deepEqual(await arrows(page), ['', '▲1 Up 1', 'New', '▼2 Down 2']);
    assert.equal(await arrowOf(host.locator('tfoot .own')), '▼1 Down 1');
  }, CEILING.timeout);
  t.equal(asked.length, 1, 'one question for all');
  await board.score(bo, 20);
  await shows(page, ['Bo', 'Ada', 'Cleo', 'Eve']);
  await eventually(async () =>
    assert.deepEqual(
      await arrows(page),
      ['▲1 Up 1', '▼1 Down 1', '', 'New'],
      'counted anew with each change',
    ),
  );
  t.equal(asked.length, 1, 'where they stood then is known');
  await set('lang', 'de');
  await eventually(async () =>
    assert.deepEqual(await arrows(page), ['▲1 Um 1 gestiegen', '▼1 Um 1 gefallen', '', 'Neu']),
  );
  await set('texts', '{"up": {"one": "{count} place up", "other": "{count} places up"}, "isNew": "Hello"}');
  await eventually(async () =>
    assert.deepEqual(await arrows(page), ['▲1 1 place up', '▼1 Um 1 gefallen', '', 'Hello']),
  );
  await set('texts', '{}');
  await set('user', eve);
  await set('limit', '2');
  await eventually(async () => {
    assert.deepEqual(await arrows(page), ['▲1 Um 1 gestiegen', '▼1 Um 1 gefallen']);
    assert.equal(await arrowOf(host.locator('tfoot .own')), 'Neu');
  });
  await set('since', '');
  await eventually(async () => assert.deepEqual(await arrows(page), ['', '']));
});

t.test('who comes onto the board later is asked for then', async (t) => {
  const board = await newBoard('Late');
  const ids = [];
  for (const [i, points] of [50, 40, 30].entries()) ids.push(await board.join(`Rival ${i}`, points));
  const since = await board.lastTime(api);
  const page = await visit(t, element(board, `limit="2" since="${since}"`));
  await shows(page, ['Rival 0', 'Rival 1']);
  await board.score(ids[2] ?? '', 100);
  await shows(page, ['Rival 2', 'Rival 0']);
  await eventually(
    async () => assert.deepEqual(await arrows(page), ['▲2 Up 2', '▼1 Down 1']),
    CEILING.timeout,
  );
  t.ok((await reportOf(page)).shift < 0.001, 'there is room for arrows from the start');
});

t.test('with shared ranks the arrows are of these', async (t) => {
  const board = await newBoard('Level');
  await board.join('Ada', 50);
  const bo = await board.join('Bo', 40);
  const since = await board.lastTime(api);
  await board.score(bo, 10);
  const page = await visit(t, element(board, `since="${since}" ranks="shared"`));
  await shows(page, ['Ada', 'Bo']);
  await eventually(async () => assert.deepEqual(await arrows(page), ['', '▲1 Up 1']), CEILING.timeout);
});

t.test('another board shows nothing of the one before', async (t) => {
  const [one, two] = [await newBoard('One'), await newBoard('Two')];
  const { since, cleo } = await overtake(one);
  await two.join('Zoë', 9);
  await two.score(cleo, 8);
  const page = await visit(t, element(one, `since="${since}"`));
  await shows(page, ['Ada', 'Cleo', 'Eve', 'Bo', 'Dan']);
  await eventually(async () => assert.equal((await arrows(page))[1], '▲1 Up 1'), CEILING.timeout);
  // No answer is given for the other board: what is shown of it is not what is known of the first one.
  await page.route(/asOf/, (route) => route.abort());
  await page.locator('live-leaderboard').evaluate((host, id) => host.setAttribute('board', id), two.id);
  await shows(page, ['Zoë', 'Cleo']);
  t.same(await arrows(page), ['', '']);
});

t.test('a time that the service refuses leaves a board without arrows', async (t) => {
  const board = await newBoard('Refused');
  await board.join('Ada', 50);
  for (const since of ['tomorrow', '2999-01-01T00:00:00.000Z', '0']) {
    const page = await visit(t, '<p></p>');
    const refused = page.waitForResponse((response) => response.url().includes('asOf'), CEILING);
    await page.evaluate(
      `document.querySelector('main').innerHTML = ${JSON.stringify(element(board, `since="${since}"`))}`,
    );
    t.equal((await refused).status(), 400);
    await shows(page, ['Ada']);
    t.same(await arrows(page), ['']);
    await page.close();
  }
});

t.test(
  'from right to left arrows are on the other side, and with reduced motion nothing is animated',
  async (t) => {
    const board = await newBoard('حركة');
    const { since } = await overtake(board);
    const page = await visit(t, element(board, `since="${since}" lang="ar-EG"`), {
      attributes: 'dir="rtl"',
      reducedMotion: 'reduce',
    });
    await shows(page, ['Ada', 'Cleo', 'Eve', 'Bo', 'Dan']);
    await eventually(
      async () => assert.deepEqual(await arrows(page), ['', '▲١ صعود ١', 'جديد', '▼٢ هبوط ٢', '▼١ هبوط ١']),
      CEILING.timeout,
    );
    const left = async (part: string) =>
      (await rows(page).nth(1).locator(part).boundingBox())?.x ?? Number.NaN;
    t.ok((await left('.name span')) < (await left('.rank i')), 'between the rank and the name');
    t.ok((await left('.rank i')) < (await left('.rank .medal')));
    t.same((await reportOf(page)).animated, []);
    t.equal(await page.locator('html').evaluate((root) => root.ownerDocument.getAnimations().length), 0);
  },
);
