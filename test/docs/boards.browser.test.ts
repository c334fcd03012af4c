import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { Histogram, RankOf } from '../../schemas/position.js';
import { Why } from '../../schemas/why.js';
import { eventually, serviceApi } from '../api.js';
import { type Board, CEILING, element, startFanSite, TWO_FRAMES } from '../client/fan-site.js';
import { matchesImage } from '../client/pictures.js';

/** The pictures of docs/boards.md, each of a real board. UPDATE_PICTURES=1 takes new ones. */

const site = await startFanSite(t);
const { api, newBoard, visit } = site;
const admin = await serviceApi(site, 'admin');

const WIDTH = 880;
const STYLE = `
  body { margin: 0; padding: 16px; background: #eef1f5; font: 15px/1.5 system-ui, sans-serif; color: #0f1722 }
  h1 { display: none }
  main { display: grid; gap: 16px; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); align-items: start }
  live-leaderboard { --leaderboard-size: 15px; --leaderboard-row: 38px }
  figure { margin: 0; padding: 20px 24px; background: #fff; border: 1px solid #dfe4ea; border-radius: 12px }
  figcaption { font-weight: 700; font-size: 18px; margin-block-end: 12px }
  .bars { display: flex; gap: 4px; align-items: end; block-size: 150px; border-block-end: 1px solid #c3cad3 }
  .bars i { flex: 1; background: #9bc1f2; border-radius: 3px 3px 0 0 } .bars .here { background: #0b5cd0 }
  .scale { display: flex; justify-content: space-between; font-size: 13px; color: #4b5563 }
  .says { margin: 10px 0 0 }
  table { border-collapse: collapse; inline-size: 100% }
  th { font-weight: 550; font-size: 13px; color: #4b5563; text-align: start }
  th, td { padding: 8px 24px 8px 0; border-block-end: 1px solid #e4e8ed }
  th.points { inline-size: 5.5em }
  .points { text-align: end; font-variant-numeric: tabular-nums; font-weight: 650 }
  .counted { color: #0f7048 } .voided, .held { color: #a33022 } .voided ~ .points, .struck { text-decoration: line-through }`;

/** A page of the document, as high as it must be; shown when `parts` of these are there. */
async function show(t: Test, body: string, selector: string, parts: number): Promise<Page> {
  const page = await visit(t, `<style>${STYLE}</style>${body}`, {
    viewport: { width: WIDTH, height: 400 },
    deviceScaleFactor: 2,
    reducedMotion: 'reduce',
    colorScheme: 'light',
  });
  await eventually(async () => assert.equal(await page.locator(selector).count(), parts), CEILING.timeout);
  const height = await page
    .locator('main')
    .evaluate((main) => Math.ceil(main.getBoundingClientRect().bottom));
  await page.setViewportSize({ width: WIDTH, height: height + 16 });
  await page.evaluate(TWO_FRAMES);
  return page;
}

async function fill(board: Board, entries: readonly (readonly [string, number, object?])[]) {
  const ids: string[] = [];
  for (const [name, points, metadata] of entries) ids.push(await board.join(name, points, metadata));
  return ids;
}

const TITLES = { en: 'Fastest lap', de: 'Schnellste Runde', 'pt-BR': 'Melhor volta', ar: 'أسرع لفة' };
const laps = await newBoard('Fastest lap', {
  sort: 'asc',
  operator: 'best',
  unit: { kind: 'duration' },
  titles: TITLES,
});
await fill(laps, [
  ['Ada', 83_456],
  ['Kōji', 84_012],
  ['Zoë', 85_790],
  ['Linus', 91_003],
]);

t.test('units', async (t) => {
  const money = await newBoard('Prize money', { unit: { kind: 'money', currency: 'EUR' } });
  await fill(money, [
    ['Grace', 1_250_000],
    ['Ada', 480_050],
    ['Bo', 99_900],
    ['Linus', 1_250],
  ]);
  const way = await newBoard('Distance', { unit: { kind: 'number', decimals: 2, suffix: ' km' } });
  await fill(way, [
    ['Zoë', 123_456],
    ['Bo', 98_710],
    ['Kōji', 42_195],
    ['Ada', 4_200],
  ]);
  const page = await show(
    t,
    [laps, money, way].map((board) => element(board, 'limit="4"')).join(''),
    '.entry',
    12,
  );
  await page.locator('live-leaderboard').getByText('Fastest lap').waitFor(CEILING);
  t.same(await page.locator('.score bdi').allTextContents(), [
    ...['1:23.456', '1:24.012', '1:25.790', '1:31.003'],
    ...['€12,500.00', '€4,800.50', '€999.00', '€12.50'],
    ...['1,234.56 km', '987.10 km', '421.95 km', '42.00 km'],
  ]);
  await matchesImage(t, page, 'boards-units');
});

t.test('titles', async (t) => {
  const languages = ['lang="de"', 'lang="pt-BR"', 'lang="ar" dir="rtl"'];
  const page = await show(
    t,
    languages.map((language) => element(laps, `limit="4" ${language}`)).join(''),
    '.entry',
    12,
  );
  for (const title of [TITLES.de, TITLES['pt-BR'], TITLES.ar])
    await page.locator('live-leaderboard').getByText(title).waitFor(CEILING);
  await matchesImage(t, page, 'boards-titles');
});

t.test('ties', async (t) => {
  const medals = await newBoard('Medals');
  await fill(medals, [
    ['Ada', 5],
    ['Bo', 3],
    ['Cleo', 3],
    ['Dan', 1],
  ]);
  const kinds = ['unique', 'shared', 'dense'];
  const boards = kinds.map((ranks) => element(medals, `limit="4" ranks="${ranks}" heading="${ranks}"`));
  const page = await show(t, boards.join(''), '.entry', 12);
  t.same(await page.locator('td.rank').allInnerTexts(), [...'123412241223']);
  await matchesImage(t, page, 'boards-ties');
});

t.test('metadata', async (t) => {
  const cars = await newBoard('Fastest lap', { sort: 'asc', operator: 'best', unit: { kind: 'duration' } });
  const ids = await fill(cars, [
    ['Ada', 83_456, { car: 'Comet' }],
    ['Bo', 84_999, { car: 'Snail' }],
    ['Cleo', 86_040, { car: 'Bolt' }],
    ['Dan', 90_210, { car: 'Comet' }],
  ]);
  const links = ids.map((id) => `<a slot="column-${id}" href="#" style="color: #0b5cd0">▶ Watch</a>`);
  const replays = `${links.join('')}<b slot="column" style="font-weight: 550">Replay</b>`;
  const body =
    element(cars, 'limit="4" column="car"') +
    element(cars, 'limit="4" column="car"').replace('></', `>${replays}</`);
  const page = await show(t, body, 'td.column', 8);
  t.same(await page.locator('live-leaderboard').first().locator('td.column').allInnerTexts(), [
    'Comet',
    'Snail',
    'Bolt',
    'Comet',
  ]);
  await matchesImage(t, page, 'boards-metadata');
});

t.test('positions', async (t) => {
  const arena = await newBoard('Arena');
  // The sum of four dice of 1,000 sides, the same at each run.
  const crowd = Array.from({ length: 150 }, (_, i) =>
    [131, 277, 433, 617].reduce((sum, step) => sum + ((i * step) % 1_000), 400),
  );
  await Promise.all(crowd.map((points, i) => arena.join(`Player ${i}`, points)));
  const read = (rest: string) => api.get(`/v1/leaderboards/${arena.id}/${rest}`);
  const { bins, total } = (await read('histogram?bins=20')).is(200, Histogram);
  const { rank, score } = (await read('rank-of?score=3000')).is(200, RankOf);
  const most = Math.max(...bins.map(({ entries }) => entries));
  const bars = bins.map(({ from, to, entries }) => {
    const here = from <= score && score <= to ? 'class="here"' : '';
    return `<i ${here} style="block-size: ${Math.round((150 * entries) / most)}px"></i>`;
  });
  const ends = [bins[0]?.from, bins.at(-1)?.to].map((end) => end?.toLocaleString('en'));
  const page = await show(
    t,
    `<figure><figcaption>Scores of ${total} players</figcaption><div class="bars">${bars.join('')}</div>
     <div class="scale"><span>${ends[0]}</span><span>${ends[1]}</span></div>
     <p class="says"><b>${score.toLocaleString('en')} points</b> would be rank <b>${rank}</b> of ${total}.</p></figure>`,
    '.bars i',
    bins.length,
  );
  t.equal(await page.locator('.here').count(), 1);
  await matchesImage(t, page, 'boards-positions');
});

t.test('the past', async (t) => {
  const cup = await newBoard('Midnight cup');
  const [, , , zoe = ''] = await fill(cup, [
    ['Ada', 9_000],
    ['Grace', 8_100],
    ['Kōji', 7_200],
    ['Zoë', 6_300],
    ['Linus', 5_400],
  ]);
  const since = await cup.lastTime(api);
  await cup.score(zoe, 3_300);
  await fill(cup, [['Noor', 7_900]]);
  const page = await show(t, element(cup, `limit="6" since="${since}"`), '.rank i, .rank em', 6);
  await matchesImage(t, page, 'boards-past');
});

t.test('why', async (t) => {
  const cup = await newBoard('Midnight cup');
  const [ada = ''] = await fill(cup, [['Ada', 1_200]]);
  for (const points of [450, 99_000, 300]) await cup.score(ada, points);
  const why = async () => (await admin.get(`/v1/leaderboards/${cup.id}/entries/${ada}/why`)).is(200, Why);
  const cheat = (await why()).items.find(({ points }) => points === 99_000);
  await admin.post(`/v1/admin/events/${cheat?.eventId}/void`, { reason: 'Impossible in this race.' });
  const { items, score } = await why();
  assert.equal(score, 1_950);
  const rows = items.map(
    ({ points, status, inScore, judgements: [judgement] }) =>
      `<tr><td class="points ${inScore ? '' : 'struck'}">${points.toLocaleString('en')}</td><td class="${status}">${status}</td>
       <td>${judgement?.reason ?? ''}</td></tr>`,
  );
  const page = await show(
    t,
    `<figure><figcaption>Ada: ${score?.toLocaleString('en')} points</figcaption><table>
     <thead><tr><th class="points">Points</th><th>Status</th><th>Reason</th></tr></thead><tbody>${rows.join('')}</tbody></table></figure>`,
    'tbody tr',
    4,
  );
  await matchesImage(t, page, 'boards-why');
});
