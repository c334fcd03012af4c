import assert from 'node:assert/strict';
import t from 'tap';
import { ActionToken } from '../../schemas/action.js';
import { type Api, eventually, newPlayer, startApi } from '../api.js';
import { RedisServer } from '../redis-server.js';
import { dashboard, expressionsOf } from './dashboard.js';
import { PrometheusServer, promtool } from './prometheus-server.js';

/** Rates need two scrapes, one a second. */
const SCRAPED_WITHIN_MS = 30_000;

/** A little of everything: a score, a replay, a reached limit, a stream and one above the limit. */
async function play(api: Api): Promise<void> {
  const player = await newPlayer(api);
  const { actionToken } = (await player.api.post('/v1/action-tokens', { action: 'collect-coin' })).is(
    201,
    ActionToken,
  );
  for (const status of [200, 409, 429]) {
    assert.equal((await player.api.post('/v1/scores', { actionToken })).status, status);
  }
  const leave = new AbortController();
  const stream = `${api.url}/v1/leaderboards/global/stream`;
  const { status } = await fetch(stream, { signal: leave.signal });
  assert.equal(status, 200);
  (await api.get('/v1/leaderboards/global/stream')).fails('service-unavailable');
  leave.abort();
  await eventually(async () => assert.equal(await streamsOpen(api), 0));
}

async function streamsOpen(api: Api): Promise<number> {
  const metrics = await (await fetch(`${api.url}/metrics`)).text();
  return Number(/^sse_connections_active (\d+)$/m.exec(metrics)?.[1]);
}

t.test(
  'Prometheus scrapes the service, and the dashboard and the alerts have something to go by',
  async (t) => {
    const redis = await RedisServer.start(t);
    const { api, app, url } = await startApi(t, {
      REDIS_MODE: 'single',
      REDIS_URL: redis.url,
      REDIS_SYNC_INTERVAL: 1_000,
      RATE_LIMIT_SCORE_UPDATE: 2,
      SSE_MAX_CONNECTIONS: 1,
    });
    const { host } = new URL(url);
    const prometheus = await PrometheusServer.start(t, host);
    const instance = { job: 'scoreboard-api', instance: host };

    await t.test('the instance is up, and its requests can be queried', async (t) => {
      await eventually(async () => {
        await play(api);
        assert.equal((await prometheus.query('up{job="scoreboard-api"} == 1')).length, 1);
        assert.notEqual((await prometheus.query('http_requests_total{path="/v1/scores"} > 0')).length, 0);
      }, SCRAPED_WITHIN_MS);
      const [up] = await prometheus.query('up');
      t.match(up, { metric: { __name__: 'up', ...instance } });
      const accepted = await prometheus.query('http_requests_total{path="/v1/scores", status="200"}');
      t.match(accepted, [{ metric: { ...instance, method: 'POST' } }]);
    });

    await t.test('every query of the dashboard can be read, and every panel has data', async (t) => {
      const panels = dashboard.panels.filter(({ type }) => type !== 'row');
      await eventually(async () => {
        await play(api);
        const empty: string[] = [];
        for (const panel of panels) {
          const results = await Promise.all(expressionsOf(panel).map((expr) => prometheus.query(expr)));
          if (results.every((series) => series.length === 0)) empty.push(panel.title);
        }
        assert.deepEqual(empty, []);
      }, SCRAPED_WITHIN_MS);
      t.pass();
    });

    await t.test('the rules are loaded, and their recorded series exist', async (t) => {
      const rules = await eventually(async () => {
        const rules = await prometheus.rules();
        assert(rules.length > 0 && rules.every(({ health }) => health === 'ok'), JSON.stringify(rules));
        return rules;
      }, SCRAPED_WITHIN_MS);
      const alerts = rules.filter(({ type }) => type === 'alerting');
      for (const name of ['ErrorRateHigh', 'ErrorRateCritical', 'LatencyHigh', 'LatencyCritical']) {
        t.ok(
          alerts.some((alert) => alert.name === name),
          name,
        );
      }
      // These two alert on missing series.
      const compare = alerts.filter(({ name }) => !['NoInstances', 'InstancesUnhealthy'].includes(name));
      await eventually(async () => {
        // Enough requests for a rate.
        for (let i = 0; i < 10; i++) await play(api);
        for (const { name, query } of compare) {
          // An hour ago there was nothing.
          const compared = query.replace(/ (>|==) [\d.* ]+$/, '').replaceAll(/ offset \w+/g, '');
          assert.notEqual(compared, query, name);
          const [value] = await prometheus.query(compared);
          assert.match(value?.value[1] ?? 'nothing', /^[\d.]+$/, `${name}: ${compared}`);
        }
      }, SCRAPED_WITHIN_MS);
      t.same(await prometheus.query('ALERTS{alertstate="firing"}'), []);
    });

    await t.test('promtool finds no fault in names and types', async (t) => {
      const response = await fetch(`${url}/metrics`);
      t.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
      t.equal(await promtool(['check', 'metrics'], await response.text()), '');
    });

    await t.test(
      'the duration of requests has bounds where the alerts have limits, and one above',
      async (t) => {
        const text = await (await fetch(`${url}/metrics`)).text();
        const bounds = text.matchAll(/^http_request_duration_seconds_bucket\{le="([\d.]+)"/gm);
        const finite = new Set([...bounds].map(([, le]) => Number(le)));
        t.ok(finite.has(1) && finite.has(2) && Math.max(...finite) > 2, [...finite].join(' '));
        t.ok([...finite].some((bound) => bound <= 0.001));
      },
    );

    await t.test('a stopped instance counts as unhealthy', async (t) => {
      await app.close();
      const pending = await eventually(async () => {
        const found = await prometheus.query('ALERTS{alertname="InstancesUnhealthy"}');
        assert.equal(found.length, 1);
        return found;
      }, SCRAPED_WITHIN_MS);
      t.match(pending, [{ metric: { severity: 'critical', rollback: 'true' } }]);
    });
  },
);
