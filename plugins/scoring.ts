import fp from 'fastify-plugin';
import { OVERVIEW_MINUTES } from '../schemas/overview.js';
import { now } from '../src/clock.js';
import type { AppConfig } from '../src/config.js';
import { MinuteCounts } from '../src/observability/minute-counts.js';
import { ActionTokens } from '../src/scoring/action-tokens.js';
import { Scores } from '../src/scoring/scores.js';

declare module 'fastify' {
  interface FastifyInstance {
    actionTokens: ActionTokens;
    scores: Scores;
    /** Action tokens that this process has rejected lately. */
    rejectedTokens: MinuteCounts;
  }
}

/** How points are earned: a token for an action that begins, and a score for one that is finished. */
export default fp<{ config: AppConfig }>(
  async (app, { config }) => {
    const { catalog, users, ledger, measured } = app;
    const tokens = new ActionTokens({
      catalog,
      users,
      secret: config.ACTION_TOKEN_SECRET,
      previousSecret: config.ACTION_TOKEN_SECRET_PREVIOUS,
      lifetime: config.ACTION_TOKEN_TTL,
    });
    app.decorate('actionTokens', tokens);
    const rejectedTokens = new MinuteCounts(OVERVIEW_MINUTES);
    app.decorate('rejectedTokens', rejectedTokens);
    app.decorate(
      'scores',
      new Scores({
        catalog,
        tokens,
        ledger,
        onToken: (result) => {
          measured.actionTokenValidations.inc({ result });
          if (result !== 'valid') rejectedTokens.add(now());
        },
        onScore: (status) => measured.scoreUpdates.inc({ status }),
      }),
    );
  },
  { name: 'scoring', dependencies: ['auth', 'catalog', 'score-ledger', 'metrics'], fastify: '5.x' },
);
