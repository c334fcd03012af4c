import assert from 'node:assert/strict';
import type { BrowserContextOptions, Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { eventually } from '../api.js';
import { CEILING, startFanSite, TWO_FRAMES } from './fan-site.js';
import { matchesPicture } from './pictures.js';

const { api, newBoard, visit, open, url } = await startFanSite(t);

const WIDTHS = [360, 820, 1440, 1920] as const;
const LOOKS = {
  light: { colorScheme: 'light', attributes: 'lang="en"' },
  dark: { colorScheme: 'dark', attributes: 'lang="de"' },
  rtl: { colorScheme: 'light', attributes: 'lang="ar" dir="rtl"' },
} as const;

const cup = await newBoard('The Very Long Midnight Grand Prix of the Northern Islands');
const players = [
  ['Maximiliana von Hohenzollern-Sig', 9_007_199_254_740_991],
  ['Ada Lovelace', 48_210],
  ['ليلى', 48_210],
  ['Łukasz Żółć', 31_000],
  ['WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW', 7],
  ['Zoë', 0],
  ['Grace', -250],
  ['Kōji', -250],
  ['Linus', -9_007_199_254_740_991],
] as const;
for (const [name, points] of players) await cup.join(name, points);
const amelie = await cup.join('Amélie', -9_007_199_254_740_991);
const movers = await newBoard('Movers');
const runners = ['Ada Lovelace', 'Grace', 'Kōji', 'Zoë', 'Linus', 'ليلى', 'Łukasz Żółć', 'Dan'];
const ran: string[] = [];
for (const [i, name] of runners.entries()) ran.push(await movers.join(name, 9_000 - 900 * i));
const since = await movers.lastTime(api);
for (const [i, points] of [
  [3, 3_000],
  [6, 2_300],
  [4, 50],
] as const)
  await movers.score(ran[i] ?? '', points);
await movers.join('Noor', 8_000);
const many = await newBoard('Hundred');
const crowd = await Promise.all(
  Array.from({ length: 100 }, (_, i) => many.join(`Player ${i + 1}`, 100_000 - i * i)),
);
const empty = await newBoard('Autumn cup');

/** All states on one page, so that few pictures show them. */
const gallery = `
  <style>
    :root { color-scheme: light dark }
    body { margin: 0 } main { padding: 12px } h1 { display: none }
    section { display: grid; gap: 12px; margin-block-start: 12px; align-items: start;
      grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)) }
    .scrolls { block-size: 400px; overflow: auto }
    .night { --leaderboard-background: #241a3a; --leaderboard-accent: #ff7ad9 }
    .paper { --leaderboard-background: #f4e8c8; --leaderboard-color: #4a2b12; --leaderboard-accent: #7a1f1f }
    .glass { --leaderboard-background: rgb(9 12 21 / 70%) }
    .over { padding: 12px; background: linear-gradient(45deg, teal, orange) }
  </style>
  <live-leaderboard board="${cup.id}"></live-leaderboard>
  <section>
    <live-leaderboard board="${cup.id}" limit="6" user="${amelie}"></live-leaderboard>
    <live-leaderboard board="${many.id}" limit="100" user="${crowd[40]}" class="scrolls"></live-leaderboard>
    <live-leaderboard board="${cup.id}" limit="3" user="${amelie}" class="night"></live-leaderboard>
    <live-leaderboard board="${many.id}" limit="3" user="${crowd[1]}" class="paper"></live-leaderboard>
    <div class="over"><live-leaderboard board="${many.id}" limit="3" user="${crowd[9]}" class="glass"></live-leaderboard></div>
    <live-leaderboard board="${empty.id}" limit="3"></live-leaderboard>
    <live-leaderboard board="no-such-board" limit="3"></live-leaderboard>
    <live-leaderboard src="http://127.0.0.1:1" limit="3" heading="Down"></live-leaderboard>
  </section>`;

for (const [name, look] of Object.entries(LOOKS)) {
  t.test(`the element looks as its kept pictures, ${name}`, async (t) => {
    const page = await visit(t, gallery, { ...look, reducedMotion: 'reduce' });
    const boards = page.locator('live-leaderboard');
    await eventually(
      async () => assert.equal(await boards.locator('.entry').count(), 10 + 7 + 100 + 4 + 3 + 4),
      CEILING.timeout,
    );
    for (const index of [6, 7, 8]) await boards.nth(index).locator('.message').waitFor(CEILING);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      const height = await page.locator('html').evaluate((root) => root.scrollHeight);
      // What is sticky stays at its place.
      await page.setViewportSize({ width, height });
      const overflow = await page.locator('html').evaluate((root) => root.scrollWidth - root.clientWidth);
      t.equal(overflow, 0, `no horizontal overflow at ${width} pixels`);
      await matchesPicture(t, page, `board-${name}-${width}`);
    }
  });
}

for (const [name, look] of Object.entries(LOOKS)) {
  t.test(`arrows look as on their kept pictures, ${name}`, async (t) => {
    const body = `
      <style>:root { color-scheme: light dark } body { margin: 12px } h1 { display: none }</style>
      <live-leaderboard board="${movers.id}" limit="6" since="${since}" user="${ran[7]}"></live-leaderboard>`;
    const page = await visit(t, body, { ...look, reducedMotion: 'reduce' });
    const arrows = page.locator('live-leaderboard .rank').locator('i, em');
    await eventually(async () => assert.equal(await arrows.count(), 7), CEILING.timeout);
    for (const [width, height] of [
      [360, 480],
      [1920, 500],
    ] as const) {
      await page.setViewportSize({ width, height });
      await page.evaluate(TWO_FRAMES);
      await matchesPicture(t, page, `arrows-${name}-${width}`);
    }
  });
}

/** Screens of the service's own pages. */
async function showOwn(t: Test, query: string, options: BrowserContextOptions): Promise<Page> {
  const page = await open(t, `${url}/${query}`, { ...options, reducedMotion: 'reduce' });
  await page.locator('live-leaderboard .entry').first().waitFor(CEILING);
  await page.evaluate(TWO_FRAMES);
  return page;
}

for (const colorScheme of ['light', 'dark'] as const) {
  t.test(`the start page looks as its kept pictures, ${colorScheme}`, async (t) => {
    const page = await showOwn(t, `?seed=42&board=${cup.id}`, { colorScheme });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 1_000 });
      await page.evaluate(TWO_FRAMES);
      const overflow = await page.locator('html').evaluate((root) => root.scrollWidth - root.clientWidth);
      t.equal(overflow, 0, `no horizontal overflow at ${width} pixels`);
      await matchesPicture(t, page, `start-${colorScheme}-${width}`);
    }
  });
}

t.test('the overlay looks as its kept pictures', async (t) => {
  const looks = { dark: '', light: '&theme=light&heading=Finale', rtl: '&lang=ar' };
  for (const [look, more] of Object.entries(looks)) {
    const page = await showOwn(t, `?obs&board=${cup.id}&limit=5&user=${amelie}${more}`, {
      viewport: { width: 640, height: 440 },
    });
    await page.locator('live-leaderboard tfoot .own').waitFor(CEILING);
    await page.evaluate("document.body.style.background = 'linear-gradient(90deg, teal, orange)'");
    await matchesPicture(t, page, `overlay-${look}`);
  }
});
