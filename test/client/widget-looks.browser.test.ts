import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { eventually } from '../api.js';
import { keepScreenshot } from './browser.js';
import { CEILING, element, reportOf, rows, startFanSite } from './fan-site.js';

const { newBoard, visit } = await startFanSite(t);

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WIDTHS = [390, 1024, 1920] as const;
const HEIGHTS = { 390: 760, 1024: 900, 1920: 1080 } as const;

t.test('axe finds no violation, in light and dark, in all states', async (t) => {
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
    t.same(await violations(), [], `${colorScheme}, with the user's own row below the others`);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: HEIGHTS[width] });
      await keepScreenshot(page, `board-${width}-${colorScheme}`);
      const overflow = await page.locator('html').evaluate((root) => root.scrollWidth - root.clientWidth);
      t.equal(overflow, 0, `no horizontal overflow at ${width} pixels`);
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
    await keepScreenshot(page, `loading-${colorScheme}`);
  }
});

t.test("the theme attribute overrides the system's preference", async (t) => {
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
  t.equal(await background(), 'rgb(255, 0, 0)', 'a page may set its own colour');
});

/** Runs in the page: the lowest contrast of a text of the element to what is painted behind it, and that text. */
const LOWEST_CONTRAST = `(() => {
  const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const paint = (colours) => {
    for (const colour of colours) {
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
    }
    const [red, green, blue] = [...pen.getImageData(0, 0, 1, 1).data].map((value) =>
      value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const root = document.querySelector('live-leaderboard').shadowRoot;
  const texts = [...root.querySelectorAll('.board *')].filter((part) =>
    part.checkVisibility() && [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''));
  const contrasts = texts.map((text) => {
    const behind = ['white'];
    for (let part = text; part; part = part.parentElement) {
      const { backgroundColor, backgroundImage } = getComputedStyle(part);
      const gradient = /^linear-gradient\\((.*) 0px, /.exec(backgroundImage)?.[1];
      behind.splice(1, 0, backgroundColor, ...(gradient ? [gradient] : []));
    }
    const [back, front] = [paint(behind), paint([...behind, getComputedStyle(text).color])];
    return { text: text.textContent, contrast: (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05) };
  });
  return contrasts.reduce((low, next) => (next.contrast < low.contrast ? next : low));
})()`;

/** Twenty themes, the same in each run: half of them leave the colour of the text to the element. */
function* randomThemes() {
  let seed = 7;
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  for (let i = 0; i < 20; i++) {
    const lightness = random();
    const text = `oklch(${lightness < 0.6 ? 0.98 : 0.15} ${random() * 0.03} ${random() * 360})`;
    const surface = lightness < 0.6 ? lightness * 0.55 : 0.8 + (lightness - 0.6) / 2;
    const colours = [
      `--leaderboard-background: oklch(${i % 2 ? surface : lightness} ${random() * 0.1} ${random() * 360})`,
      `--leaderboard-accent: oklch(${random()} ${random() * 0.2} ${random() * 360})`,
    ];
    yield [...colours, ...(i % 2 ? [`--leaderboard-color: ${text}`] : [])].join('; ');
  }
}

t.test('every text stays readable in themes of a page', async (t) => {
  const board = await newBoard('Themes');
  for (let i = 0; i < 5; i++) await board.join(`Player ${i}`, 100 - i);
  const me = await board.join('Grace', 10);
  const page = await visit(t, element(board, `limit="4" user="${me}"`), { reducedMotion: 'reduce' });
  await page.locator('live-leaderboard tfoot .own').getByText('Grace').waitFor(CEILING);
  for (const theme of randomThemes()) {
    await page
      .locator('live-leaderboard')
      .evaluate((host, theme) => host.setAttribute('style', theme), theme);
    const { text, contrast } = await page.evaluate<{ text: string; contrast: number }>(LOWEST_CONTRAST);
    t.ok(contrast >= 4.5, `${contrast.toFixed(1)} ("${text}") with ${theme}`);
  }
});

t.test('100 rows with 10 updates a second keep a usable frame rate', async (t) => {
  const board = await newBoard('Busy');
  const players = Array.from({ length: 100 }, (_, i) => board.join(`Player ${i}`, 1_000 + i));
  const ids = await Promise.all(players);
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
  const { longFrames, shift } = await reportOf(page);
  const at = (share: number) => (frames[Math.floor(frames.length * share)] ?? Number.NaN).toFixed(1);
  t.comment(
    `${(updates / seconds()).toFixed(1)} updates/s, ${(frames.length / seconds()).toFixed(1)} frames/s, ` +
      `frame ms p50 ${at(0.5)} p95 ${at(0.95)} p99 ${at(0.99)} max ${frames.at(-1)?.toFixed(0)}, ` +
      `over 50 ms: ${longFrames.length} of ${frames.length}, layout shift ${shift.toFixed(4)}`,
  );
  t.ok(
    updates > 0 && (frames[Math.floor(frames.length / 2)] ?? Number.NaN) < 1_000,
    'updates and frames arrive',
  );
  t.ok(shift < 0.1, 'the layout is stable');
});

t.test('the script is smaller than 21.4 KB', async (t) => {
  const bytes = gzipSync(readFileSync('client/dist/widget.js'), { level: 9 }).length;
  t.comment(`${bytes} bytes`);
  t.ok(bytes < 21_400);
});
