import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t from 'tap';
import { ensureTestProgram } from '../../dev/test-program.js';
import { Receipt } from '../../schemas/score.js';
import { boardKey } from '../../src/board-key.js';
import { newId } from '../../src/ids.js';
import { keysOf } from '../../src/leaderboard/redis-projection.js';
import { type Api, eventually, newPlayer, startApi } from '../api.js';
import { buildTestDatabase } from '../helper.js';
import { addPlayers, openPool, withPool } from '../ledger/game-server.js';
import { mint } from '../mint.js';
import { exchange } from '../raw-http.js';
import { RedisMonitor } from '../redis-monitor.js';
import { RedisServer } from '../redis-server.js';

const GLOBAL = boardKey('global', 1);

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

class Scrape {
  readonly samples: Sample[];

  constructor(readonly text: string) {
    this.samples = text.split('\n').flatMap((line) => {
      const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (name === undefined) return [];
      const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', text = '']) => [key, text]);
      return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
    });
  }

  static async of(api: Api): Promise<Scrape> {
    const response = await fetch(`${api.url}/metrics`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    return new Scrape(await response.text());
  }

  /** The sum of the series that have these labels. */
  value(name: string, labels: Record<string, string> = {}): number {
    const found = this.samples.filter(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
    assert(found.length > 0, `no ${name} ${JSON.stringify(labels)}`);
    return found.reduce((sum, { value }) => sum + value, 0);
  }

  labelsOf(name: string): string[] {
    const [sample] = this.samples.filter((sample) => sample.name === name);
    return Object.keys(sample?.labels ?? {}).sort();
  }
}

/** Name, type and labels, to the letter. Source: the deployment specification, "Metrics to Export". */
const SPECIFIED = [
  ['http_requests_total', 'counter', ['method', 'path', 'status']],
  ['http_request_duration_seconds', 'histogram', ['le', 'method', 'path']],
  ['sse_connections_active', 'gauge', []],
  ['score_updates_total', 'counter', ['status']],
  ['action_token_validations_total', 'counter', ['result']],
  ['rate_limit_hits_total', 'counter', ['endpoint']],
  ['redis_leaderboard_sync_drift', 'gauge', []],
] as const;

t.test('the metrics of the specification, and nothing that Prometheus objects to', async (t) => {
  const { api } = await startApi(t, { RATE_LIMIT_READ: 1 });
  await Promise.all([api.get('/v1/leaderboards'), api.get('/v1/leaderboards')]);
  const scrape = await eventually(async () => {
    const now = await Scrape.of(api);
    now.value('rate_limit_hits_total');
    return now;
  });
  for (const [name, type, labels] of SPECIFIED) {
    t.match(scrape.text, new RegExp(`^# HELP ${name} \\S`, 'm'));
    t.match(scrape.text, new RegExp(`^# TYPE ${name} ${type}$`, 'm'));
    t.same(scrape.labelsOf(type === 'histogram' ? `${name}_bucket` : name), labels, name);
  }
  for (const operators of [
    'process_cpu_seconds_total',
    'nodejs_eventloop_lag_p99_seconds',
    'score_ledger_queue_depth',
    'database_pool_waiting',
    'leaderboard_projections',
    'leaderboard_projections_opened_total',
  ]) {
    t.ok(Number.isFinite(scrape.value(operators)), operators);
  }
  const buckets = scrape.samples
    .filter(
      ({ name, labels }) =>
        name === 'http_request_duration_seconds_bucket' && labels['path'] === '/v1/leaderboards',
    )
    .map(({ labels }) => Number(labels['le']));
  for (const seconds of [0.001, 0.01, 0.1, 0.5, 1, 2])
    t.ok(buckets.includes(seconds), `a bucket of ${seconds} s`);

  const lint = spawnSync(ensureTestProgram('promtool'), ['check', 'metrics'], {
    input: scrape.text,
    encoding: 'utf8',
  });
  t.same([lint.status, lint.stdout, lint.stderr], [0, '', '']);
});

t.test('no client can make a series: neither by a path, nor by a method, nor by an id', async (t) => {
  const { api, url } = await startApi(t);
  await api.get('/v1/leaderboards/global');
  await api.get('/v1/leaderboards/other');
  for (let i = 0; i < 30; i++) {
    await api.get(`/made-up/${i}`);
    await api.get(`/v1/leaderboards/made-up-${i}`);
    await exchange(url, `PROPFIND /made-up-${i} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    await exchange(url, `MADEUP${i} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  }
  const scrape = await Scrape.of(api);
  const paths = new Set(scrape.samples.flatMap(({ labels }) => labels['path'] ?? labels['endpoint'] ?? []));
  t.notMatch(scrape.text, /made-?up/i);
  t.same(
    [...paths].sort(),
    ['/metrics', '/v1/leaderboards/:id', 'unknown'].filter((path) => paths.has(path)),
  );
  t.equal(scrape.value('http_requests_total', { path: 'unknown', status: '404', method: 'GET' }), 30);
});

t.test('each score and each token is counted once, as what it was', async (t) => {
  const { api } = await startApi(t);
  const [ada, bob] = [await newPlayer(api), await newPlayer(api)];
  const post = (body: object) => ada.api.post('/v1/scores', body);
  const counted = mint(ada.id);
  (await post({ actionToken: counted })).is(200, Receipt);
  (await post({ actionToken: counted })).fails('action-token-replayed');
  (await post({ actionToken: mint(ada.id, { exp: 1 }) })).fails('action-token-expired');
  (await post({ actionToken: mint(bob.id) })).fails('action-token-user-mismatch');
  (await post({ actionToken: mint(ada.id, { nbf: 9e9 }) })).fails('action-token-premature');
  (await post({ actionToken: 'garbage' })).fails('action-token-invalid');
  (await post({ actionToken: mint(ada.id), points: 7 })).fails('points-out-of-range');
  (await post({ actionToken: 7 })).fails('validation-failed');
  (await api.post('/v1/scores', { actionToken: mint(ada.id) })).fails('unauthenticated');
  const scrape = await Scrape.of(api);
  const tokens = (result: string) => scrape.value('action_token_validations_total', { result });
  t.same(
    {
      valid: tokens('valid'),
      invalid: tokens('invalid'),
      expired: tokens('expired'),
      replay: tokens('replay'),
    },
    { valid: 2, invalid: 3, expired: 1, replay: 1 },
  );
  const scores = (status: string) => scrape.value('score_updates_total', { status });
  t.same(
    { accepted: scores('accepted'), refused: scores('refused'), failed: scores('failed') },
    { accepted: 1, refused: 6, failed: 0 },
  );
  t.equal(scrape.value('score_ledger_batch_size_count'), 2);
  t.equal(scrape.value('leaderboard_projection_lag_seconds_count'), 1, 'a replay changes no board');
});

t.test('streams are counted while they are open, whatever their end', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const [player = ''] = await withPool(databaseUrl, async (pool) => {
    const players = await addPlayers(pool, 100);
    await pool.query(
      "INSERT INTO scores SELECT 'global', 1, uuid_of(id), 7, -7, now(), 1 FROM unnest($1::text[]) id",
      [players],
    );
    return players;
  });
  const { app, api, url } = await startApi(t, {
    DATABASE_URL: databaseUrl,
    SSE_MAX_CONNECTIONS: 4,
    SSE_STALL_TIMEOUT_MS: 100,
    SSE_PING_INTERVAL: 20,
    SSE_FLUSH_INTERVAL_MS: 1,
  });
  const { port } = new URL(url);
  const open = async (): Promise<Socket> => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET /v1/leaderboards/global/stream?limit=100 HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'data');
    return socket;
  };
  const active = async (expected: number) =>
    eventually(async () => assert.equal((await Scrape.of(api)).value('sse_connections_active'), expected));
  const closed = async (reason: string) =>
    (await Scrape.of(api)).value('sse_connections_closed_total', { reason });

  const [first, second] = [await open(), await open(), await open(), await open()];
  await active(4);
  (await api.get('/v1/leaderboards/global/stream')).fails('service-unavailable');
  t.equal((await Scrape.of(api)).value('sse_connections_refused_total'), 1);
  t.equal((await Scrape.of(api)).value('sse_connections_capacity'), 4);
  t.equal((await api.get('/v1/leaderboards/none/stream')).status, 404);
  first.destroy();
  await active(3);
  second.resetAndDestroy();
  await active(2);
  t.equal(await closed('client'), 2);

  // It never reads. Each change of the board is a frame, until no buffer takes any more.
  const stalled = await open();
  stalled.pause();
  await eventually(async () => {
    await app.leaderboards.rename(newId('chg'), player, `Player ${performance.now()}`, [GLOBAL]);
    assert.equal(await closed('stalled'), 1);
  }, 30_000);
  stalled.destroy();
  await active(2);

  app.hub.close();
  await active(0);
  t.equal(await closed('shutdown'), 2);
});

t.test('drift is what the last comparison found, and gone when another instance has compared', async (t) => {
  const redis = await RedisServer.start(t);
  const mode = { REDIS_MODE: 'single' as const, REDIS_URL: redis.url, REDIS_SYNC_INTERVAL: 1_500 };
  const one = await startApi(t, mode);
  const players = [await newPlayer(one.api), await newPlayer(one.api)];
  for (const player of players)
    (await player.api.post('/v1/scores', { actionToken: mint(player.id) })).is(200, Receipt);
  const drift = async () => (await Scrape.of(one.api)).value('redis_leaderboard_sync_drift');
  // A board that is built meanwhile is built with the rows of below, and has not drifted.
  await openBoards(one.api, ['global']);
  assert.equal(await drift(), 0);
  await one.app.pg.query(
    'UPDATE scores SET score = score + 1, sort_key = sort_key - 1, version = version + 1',
  );
  await eventually(async () => assert.equal(await drift(), 2));
  // From now on the turn is always another's.
  await one.app.redis.set(keysOf(GLOBAL).reconciled, 'by another instance');
  await eventually(async () => assert.equal(await drift(), 0));
});

/** The series that a scrape shows of the service itself. Those of Node come and go with its timers and collections. */
const seriesOf = ({ text }: Scrape): string[] =>
  text
    .split('\n')
    .map((line) => line.replace(/ \S+$/, ''))
    .filter((series) => !/^(# \w+ )?(nodejs|process)_/.test(series));

/** Reads these boards, which are all that is open, and waits until their projections are ready. */
async function openBoards(api: Api, ids: readonly string[]): Promise<void> {
  for (const id of ids) assert.equal((await api.get(`/v1/leaderboards/${id}/entries`)).status, 200);
  await eventually(async () => {
    const scrape = await Scrape.of(api);
    assert.equal(scrape.value('leaderboard_projections', { state: 'ready' }), ids.length);
    assert.equal(scrape.value('leaderboard_projections', { state: 'loading' }), 0);
    assert.equal(scrape.value('leaderboard_projection_loading_seconds'), 0);
  }, 30_000);
}

for (const mode of ['off', 'single'] as const) {
  t.test(`a scrape costs the same with one leaderboard and with 300, REDIS_MODE=${mode}`, async (t) => {
    const redis = await RedisServer.start(t);
    const databaseUrl = await buildTestDatabase(t);
    const { app, api } = await startApi(t, {
      DATABASE_URL: databaseUrl,
      REDIS_MODE: mode,
      ...(mode === 'single' && { REDIS_URL: redis.url }),
    });
    await openBoards(api, ['global']);
    const one = await Scrape.of(api);

    const levels = Array.from({ length: 299 }, (_, i) => `level-${i}`);
    const database = openPool(t, databaseUrl);
    await database.query(
      "INSERT INTO leaderboards (id, title, sort, operator) SELECT id, id, 'desc', 'best' FROM unnest($1::text[]) id",
      [levels],
    );
    const players = await addPlayers(database, 3);
    await database.query(
      `INSERT INTO scores SELECT board, 1, uuid_of(player), 7, -7, now(), 1
       FROM unnest($1::text[]) board, unnest($2::text[]) player`,
      [levels.slice(0, 50), players],
    );
    await openBoards(api, ['global', ...levels]);
    const many = await Scrape.of(api);
    t.same(seriesOf(many), seriesOf(one));
    t.equal(many.value('leaderboard_projections_opened_total'), 300);
    const bytes = (scrape: Scrape) => scrape.value('leaderboard_projection_bytes');
    t.ok(bytes(many) > 100 * bytes(one), 'the gauges cover all boards');
    t.ok(bytes(many) < many.value('leaderboard_projection_capacity_bytes'));

    const monitor = await RedisMonitor.open(t, redis.url);
    let connections = 0;
    app.pg.pool.on('acquire', () => connections++);
    // What goes on beside a scrape asks both now and then, but not beside each scrape.
    await eventually(async () => {
      await monitor.forget();
      connections = 0;
      await Scrape.of(api);
      await monitor.catchUp();
      assert.equal(connections, 0, 'PostgreSQL is not asked');
      assert.deepEqual([monitor.commands, monitor.scripts], [[], []], 'nor is Redis');
    });
  });
}
