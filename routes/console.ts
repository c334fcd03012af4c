import type { FastifyPluginAsync } from 'fastify';
import { OWN_ALONE } from '../src/http/browser-headers.js';

/**
 * The page runs only what came with it, talks only to this service, and is in no frame. Whatever a player calls itself, no text can
 * become markup: only the templates of lit may make it.
 */
const CONSOLE_POLICY = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { ...OWN_ALONE, requireTrustedTypesFor: ["'script'"], trustedTypes: ['lit-html'] },
  },
};
/** As those of the start page: a browser always asks whether its copy is current. */
const headers = { 'cache-control': 'no-cache' };

/** The console, whose own script decides what an address below `/admin` shows. */
const routes: FastifyPluginAsync = async (app) => {
  app.addHook('onRequest', app.onlyAtAdminPort);
  for (const path of ['/admin', '/admin/*'])
    app.serveBuilt(path, { of: 'console', file: 'index.html', helmet: CONSOLE_POLICY, headers });
  for (const file of ['console.js', 'console.js.map', 'console.css', 'console.css.map', 'icon.svg'])
    app.serveBuilt(`/admin/${file}`, { of: 'console', file, headers });
};

export default routes;
