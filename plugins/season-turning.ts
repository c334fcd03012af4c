import fp from 'fastify-plugin';
import { boardKey } from '../src/board-key.js';
import { Loop } from '../src/loop.js';
import { UnplannedSeason } from '../src/seasons/turn-page.js';
import { comingSeasons, faultsOfSeasons, PageTurner } from '../src/seasons/turning.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Has the pages of these leaderboards turned before all others, which scores wait for. */
    turnPages: (leaderboards: Iterable<string>) => void;
  }
}

/** How often it is looked for what is due, in milliseconds: what is known to be due earlier is done on time. */
const LOOK_EVERY_MS = 2_000;
/** How often faults are counted: that reads all leaderboards, so a scrape does not wait for it. */
const COUNT_EVERY_MS = 30_000;
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
    const onError = (error: unknown) => app.faults.database(error, 'turning the pages of seasons');
    const onFault = (fault: Error) => {
      if (!(fault instanceof UnplannedSeason)) return onError(fault);
      const { leaderboard, cause } = fault;
      app.log.error({ err: cause, data: { leaderboard } }, 'Season not planned');
    };
    const pages = new PageTurner({ pool, writer: app.instance, onFault });
    const asked = new Set<string>();
    const turningAsked = new Loop(
      async () => {
        const boards = [...asked];
        asked.clear();
        await pages.turn(boards);
      },
      { onError },
    );
    app.decorate('turnPages', (leaderboards: Iterable<string>) => {
      for (const leaderboard of leaderboards) asked.add(leaderboard);
      turningAsked.request();
    });

    let timer: NodeJS.Timeout | undefined;
    const turning = new Loop(
      async () => {
        const dueIn = await pages.turnDue();
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
      { everyMs: LOOK_EVERY_MS, onError },
    );
    const counting = new Loop(
      async () => {
        for (const [fault, count] of Object.entries(await faultsOfSeasons(pool)))
          app.measured.seasonFaults.set({ fault }, count);
      },
      { everyMs: COUNT_EVERY_MS, onError },
    );
    const loops = [turning, counting];
    app.addHook('onReady', async () => {
      for (const loop of loops) loop.start(0);
    });
    app.addHook('preClose', async () => {
      for (const loop of loops) void loop.stop();
    });
    app.addHook('onClose', async () => {
      clearTimeout(timer);
      await Promise.all([...loops, turningAsked].map((loop) => loop.stop()));
    });
  },
  { name: 'season-turning', dependencies: ['db', 'faults', 'leaderboard', 'metrics'], fastify: '5.x' },
);
