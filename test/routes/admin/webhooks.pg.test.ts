import assert from 'node:assert/strict';
import t from 'tap';
import { AuditTrail, ModeratedUser } from '../../../schemas/moderation.js';
import { Receipt } from '../../../schemas/score.js';
import {
  Replayed,
  Webhook,
  WebhookDeliveries,
  WebhookDelivery,
  WebhookSecret,
  Webhooks,
} from '../../../schemas/webhook.js';
import { eventually, newPlayer, serviceApi, startApi } from '../../api.js';
import { putLimitedActions } from '../../limited-actions.js';
import { mint, typeId } from '../../mint.js';
import { startReceiver, verified } from '../../webhooks/receiver.js';

const service = await startApi(t, { WEBHOOK_ALLOW_NETWORKS: ['127.0.0.1'] });
const { api } = service;
const admin = await serviceApi(service, 'admin');
const server = await serviceApi(service, 'server');

const create = async (body: object) => (await admin.post('/v1/admin/webhooks', body)).is(201, WebhookSecret);
const pathOf = ({ id }: { id: string }) => `/v1/admin/webhooks/${id}`;
const deliveriesOf = async (webhook: { id: string }, query = '') =>
  (await admin.get(`${pathOf(webhook)}/deliveries${query}`)).is(200, WebhookDeliveries);

t.test('a held score and a ban are told, and the receiver can verify who says so', async (t) => {
  const receiver = await startReceiver(t, 204);
  const webhook = await create({ url: receiver.url, events: ['event.held', 'user.banned'] });
  await putLimitedActions(admin);
  const { id } = await newPlayer(api);
  const token = mint(id, { act: 'points', pts: [16, 16] });
  const { eventId } = (await server.post('/v1/scores', { actionToken: token })).is(200, Receipt);
  (await admin.post(`/v1/admin/users/${id}/ban`, { reason: 'Cheats' })).is(200, ModeratedUser);
  (await admin.post(`/v1/admin/users/${id}/ban`, { reason: 'Twice' })).is(200, ModeratedUser);
  await eventually(async () => assert.equal(receiver.received.length, 2));
  const told = receiver.received.map((request) => verified(webhook.secret, request));
  t.match(
    told.find((one) => JSON.stringify(one).includes('held')),
    { type: 'event.held', data: { eventId, userId: id, action: 'points', points: 16 } },
  );
  t.match(
    told.find((one) => JSON.stringify(one).includes('banned')),
    { type: 'user.banned', data: { userId: id } },
  );
  await eventually(async () =>
    assert.equal((await deliveriesOf(webhook, '?state=delivered')).items.length, 2),
  );
  (await admin.delete(pathOf(webhook))).isEmpty(204);
});

t.test('a webhook is made, listed, changed, tried and deleted, and its secret is shown once', async (t) => {
  const receiver = await startReceiver(t, 500);
  const { secret, ...made } = await create({
    url: `${receiver.url}/hooks?token=secret`,
    events: ['season.final'],
    reason: 'For the site',
  });
  t.match(made, { url: `${receiver.url}/hooks`, format: 'standard', disabledAt: null });
  const list = (await admin.get('/v1/admin/webhooks')).is(200, Webhooks);
  t.same(list, { items: [made], nextCursor: null });
  t.same((await admin.get(pathOf(made))).is(200, Webhook), made);

  const delivery = (await admin.post(`${pathOf(made)}/test`)).is(202, WebhookDelivery);
  t.match(delivery, { type: 'webhook.test', state: 'waiting', tries: 0 });
  await eventually(async () => {
    const { items } = await deliveriesOf(made);
    assert.deepEqual(
      items.map(({ id, status }) => [id, status]),
      [[delivery.id, 500]],
    );
  });
  t.equal(receiver.received[0]?.path, '/hooks?token=secret');
  receiver.answers = [200];
  t.same(
    (await admin.post(`${pathOf(made)}/replay`, { deliveries: [delivery.id] })).is(202, Replayed),
    { replayed: 0 },
    'it waits for its next try',
  );
  const rotated = (await admin.post(`${pathOf(made)}/rotate`)).is(200, WebhookSecret);
  t.not(rotated.secret, secret);
  await eventually(async () => assert.equal((await deliveriesOf(made)).items[0]?.state, 'delivered'));

  const disabled = (await admin.patch(pathOf(made), { disabled: true })).is(200, Webhook);
  t.match(disabled, { disabledBecause: 'administrator', disabledAt: String });
  (await admin.post(`${pathOf(made)}/test`)).fails('webhook-disabled');
  (await admin.post(`${pathOf(made)}/replay`, { since: '2026-01-01T00:00:00.000Z' })).fails(
    'webhook-disabled',
  );
  const changes = { url: `${receiver.url}/other`, events: ['leader.changed'], disabled: false };
  t.same((await admin.patch(pathOf(made), changes)).is(200, Webhook), {
    ...made,
    url: changes.url,
    events: changes.events,
  });
  (await admin.delete(`${pathOf(made)}?reason=over`)).isEmpty(204);
  (await admin.get(pathOf(made))).fails('not-found');

  const { items } = (await admin.get('/v1/admin/audit?limit=6')).is(200, AuditTrail);
  t.same(
    items.map(({ action }) => action).slice(0, 6),
    ['delete', 'change', 'change', 'rotate', 'replay', 'create'].map((act) => `${act}-webhook`),
  );
  t.match(items[5], { target: made.id, reason: 'For the site', details: { url: made.url } });
  const shown = JSON.stringify([items, list, made, disabled]);
  for (const text of ['whsec_', 'token=secret']) t.notMatch(shown, text);
});

t.test('what cannot be is refused', async (t) => {
  const url = 'https://example.com/';
  const create = (body: object) => admin.post('/v1/admin/webhooks', body);
  for (const body of [
    { url, events: [] },
    { url, events: ['season.final', 'season.final'] },
    { url, events: ['webhook.test'] },
    { url, events: ['season.final'], format: 'slack' },
    { url, events: ['season.final'], secret: 'whsec_' },
    { url: 'example.com', events: ['season.final'] },
    { url: 'https://exa mple.com/', events: ['season.final'] },
  ])
    (await create(body)).fails('validation-failed');
  for (const refused of ['http://169.254.169.254/latest', 'https://[::1]/', 'https://a:b@example.com/'])
    (await create({ url: refused, events: ['season.final'] })).fails('webhook-url-refused');
  const unknown = pathOf({ id: typeId('whk') });
  (await admin.get(unknown)).fails('not-found');
  (await admin.get(`${unknown}/deliveries`)).fails('not-found');
  for (const what of ['rotate', 'test']) (await admin.post(`${unknown}/${what}`)).fails('not-found');
  (await admin.post(`${unknown}/replay`, { since: '2026-01-01T00:00:00.000Z' })).fails('not-found');
  (await admin.post(`${unknown}/replay`, {})).fails('validation-failed');
  (await server.get('/v1/admin/webhooks')).fails('forbidden');

  for (let n = 0; n < 100; n++) (await create({ url, events: ['season.final'] })).is(201, WebhookSecret);
  (await create({ url, events: ['season.final'] })).fails('too-many-webhooks');
  const first = (await admin.get('/v1/admin/webhooks?limit=60')).is(200, Webhooks);
  const rest = (await admin.get(`/v1/admin/webhooks?limit=60&cursor=${first.nextCursor}`)).is(200, Webhooks);
  t.equal(new Set([...first.items, ...rest.items].map(({ id }) => id)).size, 100);
});
