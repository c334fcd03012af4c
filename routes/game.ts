import type { FastifyPluginAsync } from 'fastify';
import { OWN_ALONE } from '../src/http/browser-headers.js';

/** The page runs only what came with it, and talks only to this service. */
const PAGE_POLICY = { contentSecurityPolicy: { useDefaults: false, directives: OWN_ALONE } };
/** The page and its parts belong to one version, so a browser always asks whether its copy is current. */
const headers = { 'cache-control': 'no-cache' };

/** A small game against a live board: what a browser shows at the address of the service. */
const routes: FastifyPluginAsync = async (app) => {
  app.serveBuilt('/', { file: 'site/index.html', helmet: PAGE_POLICY, headers });
  for (const name of ['game.js', 'game.js.map', 'game.css', 'game.css.map', 'game.svg'])
    app.serveBuilt(`/${name}`, { file: `site/${name}`, headers });
};

export default routes;
