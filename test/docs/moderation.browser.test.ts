import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import t from 'tap';
import { ModeratedUserDetails } from '../../schemas/admin-user.js';
import { Act, AuditTrail, ModeratedUser } from '../../schemas/moderation.js';
import { ServiceAccountSecret } from '../../schemas/service-account.js';
import { User } from '../../schemas/user.js';
import { eventually, serviceApi } from '../api.js';
import { CEILING } from '../client/fan-site.js';
import { startConsole, toast, violations } from '../console/console-page.js';

/** The steps in the console that docs/moderation.md names, beside those of test/console/console.browser.test.ts. */

const site = await startConsole(t);
const { admin, newBoard, visitConsole } = site;

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

/** Says yes to what is asked, with a reason. */
async function confirm(page: Page, reason: string): Promise<void> {
  await page.locator('#act-reason').fill(reason);
  await page.locator('#act-reason').press('Enter');
}

async function find(page: Page, name: string): Promise<void> {
  await page.keyboard.press('/');
  await page.keyboard.type(name);
  await page.getByRole('option', { name: new RegExp(`^${name}`) }).waitFor(CEILING);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name }).waitFor(CEILING);
}

const detailsOf = async (id: string) =>
  (await admin.get(`/v1/admin/users/${id}`)).is(200, ModeratedUserDetails);

t.test('a cheater: it is seen what a void of all its events would do, and done, and undone', async (t) => {
  const board = await newBoard('Preview');
  const cheater = await board.join('T. Hacker', 700);
  await board.join('Honest', 90);
  const { page } = await visitConsole(t, { role: 'moderator' });
  await find(page, 'T. Hacker');
  await button(page, 'Void all').first().click();
  const preview = page.locator('.preview');
  await preview.getByText('1 → off the board').waitFor(CEILING);
  await preview.getByText('2 → 1').waitFor(CEILING);
  t.same(await violations(page), []);
  t.match(await detailsOf(cheater), { events: [{ status: 'counted' }] }, 'nothing is done yet');
  await confirm(page, 'A modified client.');
  await toast(page, 'All events of T. Hacker are void.');
  t.match(await detailsOf(cheater), { events: [{ status: 'voided' }] });
  await page.keyboard.press('z');
  await toast(page, 'Undone.');
  t.match(await detailsOf(cheater), { events: [{ status: 'counted' }] });
});

t.test('a slur: the player is found and renamed', async (t) => {
  const board = await newBoard('Names');
  const rude = await board.join('Rudeness', 10);
  const { page } = await visitConsole(t, { role: 'moderator' });
  await find(page, 'Rudeness');
  await button(page, 'Rename').click();
  await page.getByLabel('New name').fill('Player 3');
  await confirm(page, 'The name was a slur.');
  await toast(page, 'Rudeness is called Player 3.');
  t.match(await detailsOf(rude), { displayName: 'Player 3', nameLocked: true });
  await page.keyboard.press('z');
  await toast(page, 'Undone.');
  t.match(await detailsOf(rude), { displayName: 'Rudeness', nameLocked: false });
});

t.test('a ban that had an end before has it again when another one is undone', async (t) => {
  const board = await newBoard('Twice', { maxPointsPerMinute: 1_000 });
  const cheater = await board.join('Mallory', 5_000);
  const until = '2099-01-01T00:00:00.000Z';
  (await admin.post(`/v1/admin/users/${cheater}/ban`, { reason: 'First.', until })).is(200, ModeratedUser);
  const { page } = await visitConsole(t, { role: 'moderator', path: '/held' });
  await button(page, 'Void and ban').click();
  await confirm(page, 'For good.');
  await toast(page, 'Mallory is banned.');
  t.match(await detailsOf(cheater), { bannedUntil: null });
  await page.keyboard.press('z');
  await toast(page, 'Undone.');
  t.match(await detailsOf(cheater), { bannedAt: /Z$/, bannedUntil: until });
});

t.test('a leaked key: the account is revoked', async (t) => {
  const { id } = (
    await admin.post('/v1/admin/service-accounts', { name: 'leaky', scopes: ['scores:write'] })
  ).is(201, ServiceAccountSecret);
  const { page } = await visitConsole(t);
  await page.getByRole('link', { name: 'Service accounts' }).first().click();
  await button(page, 'Revoke: leaky').click();
  await confirm(page, 'The secret was leaked.');
  await toast(page, 'leaky is revoked.');
  const { items } = (await admin.get(`/v1/admin/audit?target=${id}`)).is(200, AuditTrail);
  t.match(items[0], { action: 'revoke-service-account', reason: 'The secret was leaked.' });
});

t.test('a wrong void: its line in the audit has an undo', async (t) => {
  const board = await newBoard('Voids');
  const player = await board.join('Innocent', 10);
  const filter = { userId: player, from: '2020-01-01T00:00:00.000Z', to: '2100-01-01T00:00:00.000Z' };
  (await admin.post('/v1/admin/events/void', { ...filter, reason: 'A key.' })).is(200, Act);
  const { page } = await visitConsole(t, { role: 'moderator' });
  await page.getByRole('link', { name: 'Audit' }).first().click();
  await page.getByLabel('Act', { exact: true }).selectOption('void-events');
  await button(page, 'Undo: Events voided').click();
  await confirm(page, 'It was another key.');
  await toast(page, 'Undone.');
  await eventually(async () => assert.equal((await detailsOf(player)).events[0]?.status, 'counted'));
});

t.test('a refund: the event of a player is voided', async (t) => {
  const board = await newBoard('Shop');
  const buyer = await board.join('Buyer', 2_500);
  const { page } = await visitConsole(t, { role: 'moderator' });
  await page.getByRole('link', { name: 'Players' }).first().click();
  await page.getByRole('link', { name: 'Buyer' }).waitFor(CEILING);
  // Who opens it before the list is filtered, stays there.
  await page.getByLabel('Name, username or id').fill('Buyer');
  await page.getByRole('link', { name: 'Buyer' }).click();
  await button(page, 'Void: 2,500 points').click();
  await confirm(page, 'Order 4711 was refunded.');
  await toast(page, '2,500 points of Buyer are void.');
  t.match(await detailsOf(buyer), { entries: [], events: [{ status: 'voided' }] });
});

t.test('a request for erasure: the player is found by its external id and erased', async (t) => {
  const game = await serviceApi(site, 'server');
  const { id } = (await game.post('/v1/users', { displayName: 'Grace', externalId: 'steam-1' })).is(
    201,
    User,
  );
  const { page } = await visitConsole(t, { role: 'moderator' });
  await page.getByRole('link', { name: 'Players' }).first().click();
  await page.getByLabel('External id').fill('steam-1');
  await page.waitForURL(/externalId=steam-1/, CEILING);
  await eventually(async () => assert.equal(await page.locator('tbody tr').count(), 1));
  await page.getByRole('link', { name: 'Grace' }).click();
  await button(page, 'Erase').click();
  await confirm(page, 'Ticket 815');
  await toast(page, 'Grace is erased.');
  (await admin.get(`/v1/admin/users/${id}`)).fails('not-found');
});
