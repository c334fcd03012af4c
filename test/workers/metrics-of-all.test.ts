import { Registry } from 'prom-client';
import t from 'tap';
import { createMetrics } from '../../src/observability/metrics.js';
import { reportOf, textOf } from '../../src/workers/metrics-of-all.js';

/** Two workers, each of which has set every gauge to 3. */
async function aggregated(): Promise<Map<string, number>> {
  const reports = [];
  for (let worker = 0; worker < 2; worker++) {
    const registry = new Registry();
    createMetrics(registry);
    const report = await reportOf(registry);
    for (const metric of report)
      if (String(metric.type) === 'gauge') metric.values = [{ value: 3, labels: {} }];
    reports.push(report);
  }
  const values = (await textOf(reports)).matchAll(/^# TYPE (\S+) gauge\n\1 (\d+)$/gm);
  return new Map([...values].map(([, name = '', value]) => [name, Number(value)]));
}

t.test('only what each worker has of its own is added up', async (t) => {
  const gauges = await aggregated();
  const once = [...gauges].filter(([, value]) => value === 3).map(([name]) => name);
  t.same(once.sort(), [
    'background_jobs',
    'database_default_partition_bytes',
    'database_replica_lag_seconds',
    'health_check_status',
    'leaderboard_projection_loading_seconds',
    'redis_leaderboard_sync_drift',
    'season_faults',
    'sse_connections_capacity',
    'webhook_deliveries',
  ]);
  // A new gauge is one or the other.
  const summed = [...gauges].filter(([, value]) => value === 6).map(([name]) => name);
  t.same(summed.sort(), [
    'database_pool_capacity',
    'database_pool_connections',
    'database_pool_waiting',
    'leaderboard_projection_bytes',
    'leaderboard_projection_capacity_bytes',
    'leaderboard_projections',
    'score_ledger_queue_capacity',
    'score_ledger_queue_depth',
    'sse_connections_active',
  ]);
});
