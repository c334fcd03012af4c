import fp from 'fastify-plugin';
import { boardKey } from '../src/board-key.js';
import { Loop } from '../src/loop.js';
import { comingSeasons, turnPages } from '../src/seasons/turning.js';

/** How often it is looked for what is due, in milliseconds: what is known to be due earlier is done on time. */
const LOOK_EVERY_MS = 2_000;
/** What is due and was not done, is being done by somebody else. */
const AGAIN_MS = 100;
/** How long before its season begins a board is opened, in milliseconds. */
const AHEAD_MS = 10_000;

/**
 * Turns the pages of boards when their time has come, by the clock of the database. An instance that is late or down costs nothing:
 * others do the same, and scores do not need it. Those who read a board find the next season loaded.
 */
export default fp(
  async (app) => {
    const { pool } = app.pg;
    let timer: NodeJS.Timeout | undefined;
    const turning = new Loop(
      async () => {
        const dueIn = await turnPages(pool, app.instance);
        clearTimeout(timer);
        if (dueIn !== null && dueIn < LOOK_EVERY_MS) {
          const ms = dueIn > 0 ? Math.ceil(dueIn) : AGAIN_MS;
          timer = setTimeout(() => turning.request(), ms).unref();
        }
        for (const { leaderboard, season, sort } of await comingSeasons(pool, AHEAD_MS)) {
          const isOpen = app.boards.peek(boardKey(leaderboard, season)) !== undefined;
          if (isOpen) app.boards.use({ key: boardKey(leaderboard, season + 1), sort });
        }
      },
      {
        everyMs: LOOK_EVERY_MS,
        onError: (error) => app.faults.database(error, 'turning the pages of seasons'),
      },
    );
    app.addHook('onReady', async () => void turning.start(0));
    app.addHook('preClose', async () => void turning.stop());
    app.addHook('onClose', async () => {
      clearTimeout(timer);
      await turning.stop();
    });
  },
  { name: 'season-turning', dependencies: ['db', 'faults', 'leaderboard'], fastify: '5.x' },
);
