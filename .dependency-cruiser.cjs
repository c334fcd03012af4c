/**
 * The arrows of the house run one way: server -> app -> plugins, routes -> src/<domain> -> schemas.
 * dev/ (databases, programs and tokens for development and tests) is never loaded in production. test/ and bench/ may
 * import anything.
 */
const FASTIFY = '^node_modules/(fastify|fastify-[^/]+|@fastify/[^/]+)/';
const WIRING = '^src/(app|server)\\.ts$';

/** The folders of src/, from the bottom up: each imports only from folders in lines before its own. */
const LAYERS = [
  ['postgres', 'redis'],
  ['changes', 'observability'],
  ['jobs'],
  ['webhooks'],
  ['seasons'],
  ['access'],
  ['leaderboard'],
  ['ledger', 'live'],
  ['catalog', 'moderation'],
  ['scoring'],
  ['http'],
  ['imports', 'exports'],
  ['workers'],
];
/** The files beside them that are more than values and functions. */
const ABOVE_THE_FOLDERS = 'app|server|start-faults|development-database|audit';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'schemas-import-only-typebox',
      comment: 'schemas/ is the bottom: the shapes of the API, which the client takes too.',
      severity: 'error',
      from: { path: '^schemas/' },
      to: { pathNot: ['^schemas/', '^node_modules/@sinclair/typebox/'] },
    },
    {
      name: 'domain-knows-no-http',
      comment: 'src/<domain>/ holds rules and queries, and can be read and tested without Fastify.',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: '^src/http/' },
      to: { path: [FASTIFY, '^(plugins|routes)/', WIRING] },
    },
    ...LAYERS.map((layer, i) => ({
      name: `layer-of-${layer.join('-and-')}`,
      comment:
        'The folders of src/ stand on each other in one order, and those of one layer do not know each other.',
      severity: 'error',
      from: { path: `^src/(${layer.join('|')})/` },
      to: { path: `^src/(${LAYERS.slice(i).flat().join('|')})/`, pathNot: `^src/$1/` },
    })),
    {
      name: 'folders-of-src-have-a-layer',
      comment: 'A new folder of src/ gets a line in LAYERS.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/[^/]+/', pathNot: `^src/(${LAYERS.flat().join('|')})/` },
    },
    {
      name: 'files-beside-the-folders-are-the-bottom',
      comment: 'ids.ts, errors.ts, loop.ts and the like: values and functions that all folders use.',
      severity: 'error',
      from: { path: '^src/[^/]+\\.ts$', pathNot: `^src/(${ABOVE_THE_FOLDERS})\\.ts$` },
      to: { path: ['^src/[^/]+/', '^node_modules/(@types/)?(pg|ioredis|prom-client)/'] },
    },
    {
      name: 'plugins-meet-as-decorators',
      comment: 'Plugins never import one another: they name each other in `dependencies` of fp().',
      severity: 'error',
      from: { path: '^plugins/' },
      to: { path: '^plugins/' },
    },
    {
      name: 'routes-import-pure-functions',
      comment:
        'A route is the edge to HTTP: what the service does, it does through decorators. Of src/ it takes types, and functions of files that reach no database, no Redis and no Fastify.',
      severity: 'error',
      from: { path: '^routes/' },
      to: {
        path: '^(src|plugins)/',
        pathNot: [
          '^src/(audit|board-key|clock|errors)\\.ts$',
          '^src/(access/caller|access/oauth|catalog/with-entries|http/admin-cookie|http/bodies|http/browser-headers|http/file-bodies|http/languages|http/network|http/problems|http/score-writing|http/stream-headers|http/vary|leaderboard/percentile|scoring/metadata|scoring/rejections)\\.ts$',
        ],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'routes-know-no-store',
      severity: 'error',
      from: { path: '^routes/' },
      to: { path: '^node_modules/(@types/)?(pg|ioredis|prom-client)/' },
    },
    {
      name: 'only-app-wires',
      comment: 'app.ts is the contents page: nothing else imports plugins and routes.',
      severity: 'error',
      from: { path: '^(src|plugins|routes|schemas|client|console)/', pathNot: WIRING },
      to: { path: '^(plugins|routes)/' },
    },
    {
      name: 'only-app-runs-fastify',
      comment:
        "The files beside app.ts may know types of Fastify, no more; http/request-log.ts extends Fastify's own.",
      severity: 'error',
      from: { path: '^src/(http/)?[^/]+\\.ts$', pathNot: [WIRING, '^src/http/request-log\\.ts$'] },
      to: { path: [FASTIFY, WIRING], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'client-takes-types-only',
      comment: 'But for how scores are written, which must be the same on a page and in an answer.',
      severity: 'error',
      from: { path: '^(client|console)/' },
      to: {
        path: '^(src|plugins|routes|schemas)/',
        pathNot: '^src/score-format\\.ts$',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'production-loads-no-dev',
      comment: 'The image has no dev/: it is loaded only where DATABASE_URL is absent.',
      severity: 'error',
      from: {
        path: '^(src|plugins|routes|schemas|client|console)/',
        pathNot: '^src/development-database\\.ts$',
      },
      to: { path: '^(dev|test|bench)/' },
    },
    {
      name: 'dev-is-loaded-dynamically',
      comment: 'Tools for operators are in the image too.',
      severity: 'error',
      from: { path: ['^src/development-database\\.ts$', '^scripts/'] },
      to: { path: '^(dev|test|bench)/', dynamic: false },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-dead-ends',
      comment: 'An import that does not resolve would slip past every rule above.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: '^node_modules/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
