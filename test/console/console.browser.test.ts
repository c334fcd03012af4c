import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import t from 'tap';
import { Leaderboard } from '../../schemas/leaderboard.js';
import { AdminEvents, AuditTrail } from '../../schemas/moderation.js';
import { WebhookSecret } from '../../schemas/webhook.js';
import { eventually } from '../api.js';
import { keepScreenshot } from '../client/browser.js';
import { CEILING, element, reportOf, shows } from '../client/fan-site.js';
import { startConsole, toast, violations } from './console-page.js';

const site = await startConsole(t);
const { admin, newBoard, visit, visitConsole } = site;
const HOSTILE = '"><img src=x onerror=alert(1)>';

/** A board whose events above 1,000 points are held, with somebody who has one. */
async function guarded(title: string, name: string) {
  const board = await newBoard(title, { maxPointsPerMinute: 1_000 });
  const cheater = await board.join(name, 100);
  await board.score(cheater, 50_000, { note: HOSTILE });
  return { board, cheater };
}

/** A heading is there, and has the focus. */
async function arrives(page: Page, title: string): Promise<void> {
  await page.getByRole('heading', { level: 1, name: title }).waitFor(CEILING);
  await eventually(async () =>
    assert.equal(await page.evaluate('document.activeElement.textContent.trim()'), title),
  );
}

/** Nothing is wider than the page, from a phone to a wall. Keeps pictures for people to look at. */
async function fits(page: Page, name: string): Promise<void> {
  for (const [width, height] of [
    [390, 844],
    [1920, 1080],
    [1024, 768],
  ] as const) {
    await page.setViewportSize({ width, height });
    const overflow = await page.locator('html').evaluate((root) => root.scrollWidth - root.clientWidth);
    t.ok(overflow <= 0, `${name} fits in ${width} pixels`);
    await keepScreenshot(page, `console-${name}-${width}`);
  }
}

const actsAbout = async (target: string) =>
  (await admin.get(`/v1/admin/audit?target=${target}`)).is(200, AuditTrail).items;

t.test('by keyboard alone, a cheater is found, voided, banned, and gone from an open widget', async (t) => {
  const { board, cheater } = await guarded('Grand Prix', 'Mallory');
  await board.join('Ada', 90);
  const fans = await visit(t, element(board));
  await shows(fans, ['Mallory', 'Ada']);

  const { page, person } = await visitConsole(t);
  await page.getByRole('link', { name: 'Review them' }).waitFor(CEILING);
  await page.keyboard.press('g');
  await page.keyboard.press('h');
  await arrives(page, 'Held events');
  await page.locator('.queue-detail h2').getByText('Mallory').waitFor(CEILING);
  t.equal(await page.locator('.queue-detail img').count(), 0, 'metadata is text');
  await page.keyboard.press('v');
  await page.locator('#act-reason').waitFor(CEILING);
  await page.keyboard.type('Seen on video.');
  await page.keyboard.press('Enter');
  await toast(page, '50,000 points of Mallory are void.');
  await page.getByRole('heading', { name: 'Nothing waits for you' }).waitFor(CEILING);

  await page.keyboard.press('/');
  await page.keyboard.type('mallo');
  await page.getByRole('option', { name: /^Mallory/ }).waitFor(CEILING);
  await page.keyboard.press('Enter');
  await arrives(page, 'Mallory');
  t.equal(new URL(page.url()).pathname, `/admin/players/${cheater}`);
  await page.getByRole('button', { name: 'Ban', exact: true }).focus();
  await page.keyboard.press('Enter');
  await page.locator('#act-reason').waitFor(CEILING);
  await page.keyboard.type('Made with a modified client.');
  const start = performance.now();
  await page.keyboard.press('Enter');
  await shows(fans, ['Ada']);
  t.comment(`gone ${Math.round(performance.now() - start)} ms after the last key`);
  await toast(page, 'Mallory is banned.');
  await page.locator('.mark').getByText('Banned').waitFor(CEILING);
  t.match(await actsAbout(cheater), [
    { action: 'ban-user', actor: person.id, reason: 'Made with a modified client.' },
  ]);

  await page.keyboard.press('z');
  await toast(page, 'Undone.');
  await shows(fans, ['Mallory', 'Ada']);
  await page.goBack();
  await arrives(page, 'Held events');
  t.same((await reportOf(page)).violations, [], 'nothing breaks the policy of the page');
});

t.test('of two moderators, the second sees that it is done, and nothing is done twice', async (t) => {
  await guarded('Twice', 'Eve');
  const one = await visitConsole(t, { role: 'moderator', path: '/held' });
  const two = await visitConsole(t, { role: 'moderator', path: '/held' });
  for (const { page } of [one, two]) await page.locator('.queue-detail h2').getByText('Eve').waitFor(CEILING);
  const { items } = (await admin.get('/v1/admin/events?status=held')).is(200, AdminEvents);
  const event = items[0]?.eventId ?? '';
  // Both ask, and then both decide.
  for (const { page } of [one, two]) {
    await page.keyboard.press('v');
    await page.locator('#act-reason').fill('A bot.');
  }
  await one.page.keyboard.press('Enter');
  await toast(one.page, '50,000 points of Eve are void.');
  await two.page.keyboard.press('Enter');
  await toast(two.page, `It was voided already, by ${one.person.name}. Nothing was done twice.`);
  t.match(await actsAbout(event), [{ actor: one.person.id }]);
  t.equal((await actsAbout(event)).length, 1);
  await two.page.getByRole('heading', { name: 'Nothing waits for you' }).waitFor(CEILING);
});

t.test('what somebody else decides leaves the queue, and that is said', async (t) => {
  await guarded('Elsewhere', 'Ivan');
  const { page } = await visitConsole(t, { path: '/held' });
  await page.locator('.queue-detail h2').getByText('Ivan').waitFor(CEILING);
  const { items } = (await admin.get('/v1/admin/events?status=held')).is(200, AdminEvents);
  await admin.post(`/v1/admin/events/${items[0]?.eventId}/release`, { reason: 'Real.' });
  await toast(page, 'Ivan has been decided by somebody else.');
});

t.test('a lost network is said, loses nothing that was written, and heals', async (t) => {
  const { board, cheater } = await guarded('Cable', 'Trudy');
  await board.join('Ada', 90);
  const { page } = await visitConsole(t, { path: `/boards/${board.id}` });
  await page.getByRole('button', { name: 'Ban Trudy' }).click();
  await page.locator('#act-reason').fill('Cheats.');
  await page.context().setOffline(true);
  await page.getByText('No connection to the service.').waitFor(CEILING);
  await page.keyboard.press('Enter');
  await page.getByText('There was no answer, so it may have been done.').waitFor(CEILING);
  t.equal(await page.locator('#act-reason').inputValue(), 'Cheats.');
  await page.context().setOffline(false);
  await page.keyboard.press('Enter');
  await toast(page, 'Trudy is banned.');
  await eventually(async () =>
    assert.equal(await page.getByText('No connection to the service.').count(), 0),
  );
  await eventually(async () =>
    assert.equal(await page.getByRole('button', { name: 'Ban Trudy' }).count(), 0),
  );
  t.equal((await actsAbout(cheater)).length, 1);
});

t.test('every screen shows hostile names as text, and axe finds nothing, in light and dark', async (t) => {
  const { board, cheater } = await guarded('<b>Board</b>', HOSTILE);
  const url = 'https://example.com/<b>hook</b>';
  const { id } = (await admin.post('/v1/admin/webhooks', { url, events: ['user.banned'] })).is(
    201,
    WebhookSecret,
  );
  const paths = [
    ...[
      '',
      '/held',
      '/players',
      `/players/${cheater}`,
      '/audit',
      '/accounts',
      '/webhooks',
      `/webhooks/${id}`,
    ],
    ...[
      '/boards',
      '/boards/new',
      `/boards/${board.id}`,
      `/boards/${board.id}/settings`,
      `/boards/${board.id}/seasons`,
    ],
    ...['/actions', '/actions/new', '/data', `/actions/play-${board.id}`, '/nowhere'],
  ];
  for (const colorScheme of ['light', 'dark'] as const) {
    const { page } = await visitConsole(t, { colorScheme, viewport: { width: 1024, height: 768 } });
    page.on('dialog', () => t.fail('a script has run'));
    for (const path of paths) {
      await page.goto(`${site.url}/admin${path}`);
      await page.locator('#content h1').waitFor(CEILING);
      await eventually(async () =>
        assert.equal(await page.locator('#content .bones, .tiles[role]').count(), 0),
      );
      t.same(await violations(page), [], `${colorScheme} ${path}`);
      t.equal(await page.locator('#content img, #content script, #content b b').count(), 0, path);
      t.same((await reportOf(page)).violations, [], path);
      await fits(page, `${path.slice(1).replace(/\/|[a-z]{3}_\w+/g, '') || 'overview'}-${colorScheme}`);
    }
    await page.goto(`${site.url}/admin/players?q=${encodeURIComponent(HOSTILE)}`);
    await page.getByRole('link', { name: HOSTILE }).waitFor(CEILING);
    await keepScreenshot(page, `console-hostile-${colorScheme}`);
  }
});

t.test('a void is undone, and an entry is taken off a board and given back', async (t) => {
  const board = await newBoard('Undo');
  await board.join('Ada', 10);
  await board.join('Wendy', 700);
  const fans = await visit(t, element(board));
  await shows(fans, ['Wendy', 'Ada']);
  const { page } = await visitConsole(t, { role: 'moderator', path: `/boards/${board.id}` });
  await page.getByRole('button', { name: 'Delete the entry of Wendy' }).click();
  await page.locator('#act-reason').fill('Wrong board.');
  await page.keyboard.press('Enter');
  await toast(page, 'Wendy is off Undo.');
  await shows(fans, ['Ada']);
  await page.keyboard.press('z');
  await toast(page, 'Undone.');
  await shows(fans, ['Wendy', 'Ada']);
});

t.test('a board is made, with the dates of its seasons seen before', async (t) => {
  const { page } = await visitConsole(t, { path: '/boards/new' });
  await page.getByLabel('Id', { exact: true }).fill('weekly');
  await page.getByLabel('Title').fill('This week');
  await page.getByLabel('Regular').check();
  await page.getByLabel('Time zone').fill('Europe/Nowhere');
  await page.locator('.plan .bad').waitFor(CEILING);
  await page.getByLabel('Time zone').fill('Europe/Berlin');
  await eventually(async () => assert.equal(await page.locator('.plan li').count(), 5));
  await page.getByRole('button', { name: 'Save' }).click();
  await arrives(page, 'This week');
  const board = (await admin.get('/v1/leaderboards/weekly')).is(200, Leaderboard);
  t.match(board, { title: 'This week', schedule: { every: 'week', timeZone: 'Europe/Berlin' } });
});

t.test('a service account is made with scopes, and its secret is shown once', async (t) => {
  const { page } = await visitConsole(t, { path: '/accounts' });
  await page.getByRole('button', { name: 'New account' }).click();
  await page.getByLabel('Name', { exact: true }).fill('arena-1');
  await page.locator('[name="scope:scores:write"]').check();
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByRole('heading', { name: 'Keep this secret' }).waitFor(CEILING);
  await page.getByRole('row', { name: /arena-1/ }).waitFor(CEILING);
  t.same(await violations(page), []);
  await page.getByRole('button', { name: 'I have kept it' }).click();
  await eventually(async () => assert.equal(await page.locator('.once').count(), 0));
});

t.test('a file is imported and exported, with what became of its lines', async (t) => {
  const board = await newBoard('Files');
  const { page } = await visitConsole(t, { path: '/data' });
  const form = page.locator('form:has([type="file"])');
  await form.getByLabel('Board').selectOption(board.id);
  const text = `externalId,displayName,score\np-1,${HOSTILE.replaceAll('"', '')},40\np-2,Bo,much\n`;
  await form
    .getByLabel('File')
    .setInputFiles({ name: 'players.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
  await form.getByLabel('Only say').uncheck();
  await form.getByRole('button', { name: 'Send' }).click();
  await page.getByText('2 of 2 rows: 1 count, 0 known, 1 faulty, 1 new players').waitFor(CEILING);
  const out = page.locator('form:has(#export-board)');
  await out.getByLabel('Board').selectOption(board.id);
  const [file] = await Promise.all([
    page.waitForEvent('download', CEILING),
    out.getByRole('button', { name: 'Download' }).click(),
  ]);
  t.equal(file.suggestedFilename(), `${board.id}-entries.csv`);
  await toast(page, 'The file is whole.');
});

t.test('live data moves nothing but itself', async (t) => {
  const board = await newBoard('Still');
  const ada = await board.join('Ada', 10);
  await board.join('Bo', 5);
  const { page } = await visitConsole(t, { path: `/boards/${board.id}` });
  await page.getByRole('row', { name: /Bo/ }).waitFor(CEILING);
  const before = (await reportOf(page)).shift;
  await board.score(ada, 1_000_000);
  await page.getByText('1,000,010').waitFor(CEILING);
  t.ok((await reportOf(page)).shift - before < 0.01, `${(await reportOf(page)).shift - before}`);
});
