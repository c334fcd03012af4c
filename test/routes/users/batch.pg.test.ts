import t from 'tap';
import { ModeratedUser } from '../../../schemas/moderation.js';
import { type BatchedUser, BatchedUsers, User } from '../../../schemas/user.js';
import { type Api, newPlayer, serviceApi, startApi } from '../../api.js';

const service = await startApi(t);
const { api } = service;
const server = await serviceApi(service, 'server');

const post = async (users: readonly unknown[], as: Api = server): Promise<BatchedUser[]> =>
  (await as.post('/v1/users/batch', { users })).is(200, BatchedUsers).items;
const player = (externalId: string, displayName = 'Ada') => ({ displayName, externalId });

t.test('users are created, or found, in the order of the request', async (t) => {
  const known = (await server.post('/v1/users', player('known', 'Grace'))).is(201, User);
  const items = await post([
    player('new-1'),
    player('known', 'Other'),
    player('new-2', 'Zoë'),
    player('new-1', 'Eve'),
  ]);
  t.same(
    items.map(({ status }) => status),
    [201, 200, 201, 200],
  );
  t.match(items, [{ user: { displayName: 'Ada' } }, { user: known }, { user: { displayName: 'Zoë' } }, {}]);
  t.equal(items[3]?.user?.id, items[0]?.user?.id);
  t.same(
    (await post([player('new-2')])).map(({ user }) => user?.id),
    [items[2]?.user?.id],
  );
});

t.test('who is refused does not hold up the others', async (t) => {
  const banned = (await server.post('/v1/users', player('banned'))).is(201, User);
  const admin = await serviceApi(service, 'admin');
  (await admin.post(`/v1/admin/users/${banned.id}/ban`, { reason: 'A test.' })).is(200, ModeratedUser);
  const items = await post([player('banned'), player('unnamed', '\u200b'), player('fine')]);
  t.match(items, [
    { status: 403, problem: { code: 'user-banned' } },
    { status: 400, problem: { code: 'validation-failed' } },
    { status: 201, user: {} },
  ]);
});

t.test('the same users from two sides at once are made once', async (t) => {
  const users = Array.from({ length: 300 }, (_, i) => player(`both-${i}`));
  const [a, b] = await Promise.all([post(users), post(users.toReversed())]);
  const ids = (items: readonly BatchedUser[]) => items.map(({ user }) => user?.id);
  t.same(ids(a), ids(b).toReversed());
  t.equal([...a, ...b].filter(({ status }) => status === 201).length, 300);
});

t.test('a batch comes from a game server, and has 1 to 500 users', async () => {
  (await (await newPlayer(api)).api.post('/v1/users/batch', { users: [player('x')] })).fails('forbidden');
  (await server.post('/v1/users/batch', { users: [] })).fails('validation-failed');
  const many = Array.from({ length: 501 }, (_, i) => player(`many-${i}`));
  (await server.post('/v1/users/batch', { users: many })).fails('validation-failed');
});
