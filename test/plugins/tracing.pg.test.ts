import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { freePort } from '../../dev/free-port.js';
import { Api, type Document, eventually, newPlayer } from '../api.js';
import { type CollectedSpan, Collector } from '../collector.js';
import { BoardStream } from '../faults/board-stream.js';
import { type Service, startService } from '../faults/service.js';
import { buildTestDatabase } from '../helper.js';
import { groupBy, sum, withPool } from '../ledger/game-server.js';
import { mint } from '../mint.js';

const SCORE = 'POST /v1/scores';
const STAGES = ['verify', 'batch', 'commit', 'project', 'publish'];

/** The service as a process of its own, which sends its traces to this address soon. */
async function startTraced(t: Test, endpoint: string, variables: NodeJS.ProcessEnv = {}) {
  const databaseUrl = await buildTestDatabase(t);
  const service = await startService(t, databaseUrl, {
    RATE_LIMIT_SCORE_UPDATE: '1000',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_BSP_SCHEDULE_DELAY: '50',
    ...variables,
  });
  const document: Document = JSON.parse(await (await fetch(`${service.url}/openapi.json`)).text());
  const player = await newPlayer(new Api(service.url, document));
  return { service, databaseUrl, player, score: () => post(player.api, player.id) };
}

const post = (api: Api, userId: string, headers: Record<string, string> = {}) =>
  api.send('POST', '/v1/scores', { json: { actionToken: mint(userId) }, headers });

/** The whole of each trace with a score in it, once there are so many. */
const wholeTraces = (collector: Collector, count: number) =>
  eventually(async () => {
    const traces = collector.traces(SCORE);
    assert.equal(traces.length, count);
    for (const spans of traces) assert.equal(spans.length, 1 + STAGES.length);
    return traces;
  });

function spanNamed(spans: readonly CollectedSpan[], name: string): CollectedSpan {
  const found = spans.filter((span) => span.name === name);
  const [span] = found;
  assert(span !== undefined && found.length === 1, `${found.length} spans ${name}`);
  return span;
}

t.test('a score is one trace from its verification to the streams, whatever batch it is in', async (t) => {
  const collector = await Collector.start(t);
  const { service, player } = await startTraced(t, `${collector.url}/`, {
    SERVICE_NAME: 'scores-of-tests',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=games',
  });
  const stream = await BoardStream.open(t, service.url);
  let posted = 0;
  let traces: CollectedSpan[][];
  let batches: Map<string, CollectedSpan[]>;
  do {
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(player.api, player.id)));
    t.same(new Set(answers.map(({ status }) => status)), new Set([200]));
    posted += 20;
    await eventually(async () => assert.equal(stream.board?.items[0]?.score, posted * 250));
    traces = await wholeTraces(collector, posted);
    const commits = traces.map((spans) => spanNamed(spans, 'commit'));
    batches = groupBy(commits, ({ attributes }) => String(attributes['scoreboard.batch.id']));
    // On a busy machine each may arrive by itself.
  } while (batches.size === posted && posted < 200);
  t.ok(batches.size < posted, 'some shared a batch');
  t.equal(new Set(traces.map(([span]) => span?.traceId)).size, posted);
  for (const spans of traces) {
    const server = spanNamed(spans, SCORE);
    const [verify, batch, commit, project, publish] = STAGES.map((name) => spanNamed(spans, name));
    assert(verify && batch && commit && project && publish);
    t.match(server, { isServer: true, parentSpanId: undefined, failed: false, service: 'scores-of-tests' });
    t.strictSame(server.attributes, {
      'http.request.method': 'POST',
      'http.route': '/v1/scores',
      'http.response.status_code': 200,
    });
    const stages = [verify, batch, commit, project, publish];
    for (const stage of stages) {
      t.match(stage, { parentSpanId: server.spanId, isServer: false, failed: false });
      t.ok(stage.end >= stage.start);
    }
    t.ok(verify.start >= server.start, 'begins within the request');
    t.same(
      stages.slice(1).map(({ start }) => start),
      stages.slice(0, -1).map(({ end }) => end),
      'each stage begins where the one before ends',
    );
    t.ok(project.end <= server.end, 'the answer waits for the boards, though not for the streams');
  }

  for (const [id, spans] of batches) {
    t.match(id, /^evt_/);
    for (const { attributes } of spans) t.equal(attributes['scoreboard.batch.size'], spans.length);
  }
  t.equal(sum([...batches.values()].map(({ length }) => length)), posted);
  t.match(collector.requests[0], { url: '/v1/traces', headers: { 'x-tenant': 'games' } });
});

t.test('publish lasts until the frame is on the streams, longer than the request', async (t) => {
  const collector = await Collector.start(t);
  const { service, score } = await startTraced(t, collector.url, { SSE_FLUSH_INTERVAL_MS: '1500' });
  let frames = 0;
  const stream = await BoardStream.open(t, service.url, 'limit=1', () => frames++);
  await eventually(async () => assert.equal(frames, 1));
  await eventually(async () => assert.equal((await score()).status, 200));
  await eventually(async () => assert.equal(stream.board?.items[0]?.score, 250));
  await score();
  const before = BigInt(Date.now()) * 1_000_000n;
  t.equal(stream.board?.items[0]?.score, 250, 'the second is not shown yet');
  const traces = await wholeTraces(collector, 2);
  const [last] = traces.sort((a, b) => Number(spanNamed(b, SCORE).start - spanNamed(a, SCORE).start));
  assert(last !== undefined);
  t.equal(stream.board?.items[0]?.score, 500, 'shown when its trace is whole');
  t.ok(spanNamed(last, 'publish').end > before, 'after its answer');
  t.ok(spanNamed(last, 'publish').end > spanNamed(last, SCORE).end);
});

t.test('the trace of the caller is continued, and nothing else is taken from its request', async (t) => {
  const collector = await Collector.start(t);
  const { service, player, score } = await startTraced(t, collector.url);
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const actionToken = mint(player.id);
  const answer = await player.api.send('POST', '/v1/scores?secret-query=1', {
    json: { actionToken, metadata: { note: 'secret-metadata' } },
    headers: {
      traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
      tracestate: 'vendor=secret-state',
      baggage: 'user=secret-baggage',
      'x-request-id': 'secret-request-id',
      'user-agent': 'secret-agent',
    },
  });
  t.equal(answer.status, 200);
  await fetch(`${service.url}/secret-path?secret-query=1`);
  const stream = new AbortController();
  await fetch(`${service.url}/v1/leaderboards/global/stream`, { signal: stream.signal });
  stream.abort();
  await player.api.get('/v1/leaderboards/global/entries?limit=3');
  await player.api.send('POST', '/v1/scores', {
    json: { actionToken: 'no token' },
    headers: { traceparent: `00-${traceId}-0000000000000000-01` },
  });
  await score();

  await eventually(async () => assert.equal(collector.traces(SCORE).length, 3));
  const servers = collector.spans.filter(({ name }) => name === SCORE);
  const [continued, ...others] = servers.sort((a, b) => Number(a.start - b.start));
  t.match(continued, { traceId, parentSpanId: '00f067aa0ba902b7' });
  for (const { traceId: own, parentSpanId } of others) {
    t.not(own, traceId);
    t.equal(parentSpanId, undefined);
  }
  const whole = await eventually(async () => {
    const spans = collector.spans.filter((span) => span.traceId === traceId);
    assert.equal(spans.length, 1 + STAGES.length);
    return spans;
  });
  t.same(new Set(whole.map(({ name }) => name)), new Set([SCORE, ...STAGES]));
  const text = collector.bodies.join();
  t.match(text, '"name":"GET /v1/leaderboards/:id/entries"', 'other requests have a span too');
  t.match(text, '"name":"GET"', 'also those without a route');
  t.notMatch(text, /"name":"[^"]*stream/, 'a stream, which may stay open for days, has none');
  for (const secret of ['secret-', actionToken, player.session.accessToken, player.id, '?']) {
    t.notOk(text.includes(secret), `nothing of ${secret}`);
  }
});

t.test('a score that is refused or fails ends in the stage where it did', async (t) => {
  const collector = await Collector.start(t);
  const { player, databaseUrl } = await startTraced(t, collector.url);
  const actionToken = mint(player.id);
  t.equal((await player.api.post('/v1/scores', { actionToken })).status, 200);
  const refused = await player.api.post('/v1/scores', { actionToken });
  refused.fails('action-token-replayed');
  (await player.api.post('/v1/scores', { actionToken: 'none' })).fails('action-token-invalid');
  await withPool(databaseUrl, (pool) => pool.query('ALTER TABLE score_events RENAME TO gone'));
  (await post(player.api, player.id)).fails('internal-error');

  const outcomes = () =>
    collector
      .traces(SCORE)
      .map((spans) => ({
        status: spanNamed(spans, SCORE).attributes['http.response.status_code'],
        stages: spans
          .filter(({ isServer }) => !isServer)
          .sort((a, b) => Number(a.start - b.start))
          .map(({ name }) => name),
        failed: spans.filter(({ failed }) => failed).map(({ name }) => name),
        type: spanNamed(spans, SCORE).attributes['error.type'],
      }))
      .sort((a, b) => Number(a.status) - Number(b.status));
  await eventually(async () =>
    assert.deepEqual(outcomes(), [
      { status: 200, stages: STAGES, failed: [], type: undefined },
      { status: 403, stages: ['verify'], failed: [], type: undefined },
      { status: 409, stages: ['verify', 'batch', 'commit'], failed: [], type: undefined },
      { status: 500, stages: ['verify', 'batch', 'commit'], failed: ['commit', SCORE], type: '500' },
    ]),
  );
});

/** What the service writes to its log from now on, and when it has ended. */
function watchLog({ process, ended }: Service): Promise<string[]> {
  let log = '';
  process.stdout?.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  return ended.then(() => log.split('\n'));
}

for (const [what, endpoint, timeout] of [
  // The SDK gives up at once, so that it fails as often as it can.
  ['is away', async () => `http://127.0.0.1:${await freePort()}`, '10'],
  ['never answers', async (t: Test) => (await Collector.start(t, false)).url, '60000'],
] as const) {
  t.test(`a collector that ${what} costs no score, no flood of lines and no time at the end`, async (t) => {
    const { service, score } = await startTraced(t, await endpoint(t), {
      LOG_LEVEL: 'error',
      OTEL_EXPORTER_OTLP_TIMEOUT: timeout,
      OTEL_BSP_MAX_QUEUE_SIZE: '64',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '32',
    });
    const log = watchLog(service);
    for (let round = 0; round < 10; round++) {
      const start = performance.now();
      const answers = await Promise.all(Array.from({ length: 20 }, score));
      t.same(new Set(answers.map(({ status }) => status)), new Set([200]));
      t.ok(performance.now() - start < 20_000);
    }
    const start = performance.now();
    service.process.kill('SIGTERM');
    t.equal(await service.ended, 0);
    t.ok(performance.now() - start < 20_000, 'it does not wait for the collector');
    const lines = (await log).filter((line) => line.includes('"Tracing error"'));
    t.ok(lines.length >= 1 && lines.length <= 2, `${lines.length} lines`);
  });
}

t.test(
  'without onlookers publish ends at once, and what has ended is sent before the service does',
  async (t) => {
    const collector = await Collector.start(t);
    const { service, score } = await startTraced(t, collector.url, { OTEL_BSP_SCHEDULE_DELAY: '600000' });
    await score();
    t.equal(collector.spans.length, 0);
    const before = BigInt(Date.now() + 5) * 1_000_000n;
    service.process.kill('SIGTERM');
    t.equal(await service.ended, 0);
    const [spans = []] = await wholeTraces(collector, 1);
    t.ok(spanNamed(spans, 'publish').end < before);
  },
);

t.test('nothing of the SDK is loaded without a collector', async (t) => {
  const folder = t.testdir({
    'report.cjs': `process.on('exit', () =>
      require('node:fs').writeFileSync(process.env.LOADED, Object.keys(require.cache).join('\\n')));`,
  });
  const sdkOf = async (name: string, variables: NodeJS.ProcessEnv) => {
    const LOADED = join(folder, name);
    const NODE_OPTIONS = `--require=${join(folder, 'report.cjs')}`;
    const { process, ended } = await startService(t, await buildTestDatabase(t), {
      ...{ LOADED, NODE_OPTIONS },
      ...variables,
    });
    process.kill('SIGTERM');
    t.equal(await ended, 0);
    const loaded = readFileSync(LOADED, 'utf8').split('\n');
    t.ok(loaded.some((file) => file.includes('node_modules/pg/')));
    return loaded.filter((file) => /@opentelemetry\/(?!api\/)/.test(file));
  };
  t.same(await sdkOf('without', {}), []);
  const { url } = await Collector.start(t);
  t.not((await sdkOf('with', { OTEL_EXPORTER_OTLP_ENDPOINT: url })).length, 0);
});
