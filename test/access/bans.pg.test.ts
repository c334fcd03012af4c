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
