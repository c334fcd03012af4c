import type { FastifyPluginAsync } from 'fastify';

/** Any site may load the element, as a plain script or as a module. CORS_ORIGINS decides which sites may call the API. */
const FOR_ALL_SITES = {
  helmet: { crossOriginResourcePolicy: { policy: 'cross-origin' } },
  headers: { 'access-control-allow-origin': '*' },
} as const;

const routes: FastifyPluginAsync = async (app) => {
  app.serveBuilt('/widget.js', { file: 'widget.js', ...FOR_ALL_SITES });
  app.serveBuilt('/widget.js.map', { file: 'widget.js.map', ...FOR_ALL_SITES });
};

export default routes;
