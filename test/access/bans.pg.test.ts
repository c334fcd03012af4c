import t from 'tap';
import { Moderation } from '../../src/moderation/moderation.js';
import { newPlayer, startApi } from '../api.js';

t.test('who is banned is what was committed last, also where that was heard first', async (t) => {
  const service = await startApi(t);
  const { app, api } = service;
  const other = await startApi(t, { DATABASE_URL: service.config.DATABASE_URL });
  const { id } = await newPlayer(api);
  const act = { actor: 'svc_test', reason: 'A test.' };
  /** Of the first instance, whose boards show a ban only when the other instance has lifted it. */
  const slow = new Moderation({
    pool: app.pg.pool,
    bans: app.bans,
    writer: app.instance,
    leaderboards: {
      apply: async () => {
        await other.app.moderation.unban(id, act);
        await app.changes.heardAll();
      },
      rename: async () => {},
    },
    onError: (error) => t.fail('nothing fails', { error }),
  });
  await slow.ban(id, act);
  t.equal(await app.bans.has(id), false);

  await app.moderation.ban(id, act);
  t.equal(await app.bans.has(id), true, 'at once');
  await other.app.changes.heardAll();
  t.equal(await other.app.bans.has(id), true);
  await other.app.moderation.unban(id, act);
  t.equal(await other.app.bans.has(id), false, 'at once');
  await app.changes.heardAll();
  t.equal(await app.bans.has(id), false);
});

t.test('all instances agree on bans, also of erased users, whether announced or read', async (t) => {
  const service = await startApi(t);
  const other = await startApi(t, { DATABASE_URL: service.config.DATABASE_URL });
  const { users, userChanges, moderation } = service.app;
  const act = { actor: 'svc_test', reason: 'A test.' };
  const { user: first } = await users.provision('Ada', 'ext-1');
  await userChanges.erase(first.id);
  await moderation.ban(first.id, act);
  const { user: second } = await users.provision('Bo', 'ext-2');
  await moderation.ban(second.id, act);
  await userChanges.erase(second.id);
  const areBanned = async (how: string) => {
    for (const { bans } of [service.app, other.app])
      for (const { id } of [first, second]) t.equal(await bans.has(id), true, how);
  };
  for (const { changes } of [service.app, other.app]) await changes.heardAll();
  await areBanned('heard');
  for (const { bans } of [service.app, other.app]) await bans.load();
  await areBanned('read');
});

t.test(
  'a stream ends that was opened while its user was being banned, or while bans were not heard',
  async (t) => {
    const { app, api, url } = await startApi(t);
    const { id } = await newPlayer(api);
    const path = `${url}/v1/leaderboards/global/stream?user=${id}`;
    const act = { actor: 'svc_test', reason: 'A test.' };
    const admit = app.hub.admit.bind(app.hub);
    app.hub.admit = async (address) => {
      app.hub.admit = admit;
      await app.moderation.ban(id, act);
      return await admit(address);
    };
    const raced = await fetch(path);
    t.equal(raced.status, 200, 'the ban came later than the question');
    t.match(await raced.text(), /retry: \d+\n\n$/, 'it has ended');

    await app.moderation.unban(id, act);
    const open = await fetch(path);
    await app.pg.pool.query('UPDATE users SET banned_at = now() WHERE id = uuid_of($1)', [id]);
    await app.bans.load();
    t.match(await open.text(), /retry: \d+\n\n$/, 'it has ended');
  },
);
