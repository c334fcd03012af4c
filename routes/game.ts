import type { FastifyPluginAsync } from 'fastify';

/** The page runs only what came with it, and talks only to this service. */
const PAGE_POLICY = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'"],
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
};
/** The page and its parts are of one version: an old part is never taken without asking. */
const headers = { 'cache-control': 'no-cache' };

/** A small game against a live board, for whoever opens the service in a browser. */
const routes: FastifyPluginAsync = async (app) => {
  app.serveBuilt('/', { file: 'site/index.html', helmet: PAGE_POLICY, headers });
  for (const name of ['game.js', 'game.js.map', 'game.css', 'game.css.map', 'game.svg'])
    app.serveBuilt(`/${name}`, { file: `site/${name}`, headers });
};

export default routes;
