import fp from 'fastify-plugin';
import type { AppConfig } from '../src/config.js';
import { ActionTokens } from '../src/scoring/action-tokens.js';
import { Scores } from '../src/scoring/scores.js';

declare module 'fastify' {
  interface FastifyInstance {
    actionTokens: ActionTokens;
    scores: Scores;
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
    app.decorate(
      'scores',
      new Scores({
        catalog,
        tokens,
        ledger,
        onToken: (result) => measured.actionTokenValidations.inc({ result }),
        onScore: (status) => measured.scoreUpdates.inc({ status }),
      }),
    );
  },
  { name: 'scoring', dependencies: ['auth', 'catalog', 'score-ledger', 'metrics'], fastify: '5.x' },
);
