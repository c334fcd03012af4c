import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import { Cursors } from '../src/cursor.js';
import { DisplayNames } from '../src/identity/display-names.js';
import { newId } from '../src/ids.js';
import { Leaderboards } from '../src/leaderboard/leaderboards.js';
import { MemoryLeaderboard } from '../src/leaderboard/memory-leaderboard.js';

declare module 'fastify' {
  interface FastifyInstance {
    leaderboards: Leaderboards;
    cursors: Cursors;
    /** Names this process among the instances. */
    instance: string;
  }
}

/** How long after a commit was announced its answer may still be on its way to the ledger, unless it is lost. */
const ANSWERED_WITHIN_MS = 500;

/** The rankings, kept current by this instance's ledger and by what others announce. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const { pool } = app.pg;
    const instance = newId('svc');
    const names = new DisplayNames(pool);
    const leaderboards = new Leaderboards({
      catalog: app.catalog,
      names,
      database: pool,
      project: (key) => new MemoryLeaderboard(key, pool),
      onError: (error) => app.log.error({ err: error }, 'Database error: a leaderboard could not be read'),
    });
    const failed = (error: unknown) => app.log.error({ err: error }, 'A change could not be applied');
    app.changes.listen({
      onChange: (change) => {
        if (change.type === 'user-renamed') leaderboards.rename(change.userId);
        if (change.type === 'user-erased') leaderboards.erase(change.userId).catch(failed);
        if (change.type !== 'scores') return;
        const { leaderboard: leaderboardId, season } = change;
        const changes = change.entries.map(([userId, score, achievedAt, version]) => ({
          leaderboardId,
          season,
          userId,
          score,
          achievedAt,
          version,
        }));
        const apply = () => void leaderboards.apply(changes).catch(failed);
        // What this instance wrote, its ledger applies itself as soon as it has the answer. Later it does no harm, and it
        // is news if the answer never came.
        if (change.instance === instance) setTimeout(apply, ANSWERED_WITHIN_MS).unref();
        else apply();
      },
      onResync: () => {
        names.forgetAll();
        leaderboards.rebuild();
      },
    });
    app.catalog.onLoad(() => leaderboards.follow());
    app.addHook('onClose', async () => leaderboards.close());
    leaderboards.follow();
    app.decorate('instance', instance);
    app.decorate('leaderboards', leaderboards);
    app.decorate('cursors', new Cursors(config.JWT_SECRET, config.JWT_SECRET_PREVIOUS));
  },
  { name: 'leaderboard', dependencies: ['db', 'change-feed', 'catalog'], fastify: '5.x' },
);
