import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

/** Resolves to the names of the rollback triggers that fire now; rejects if that is unknown. */
export type Check = () => Promise<string[]>;

const CHECK_WITHIN_MS = 10_000;

const Firing = Type.Object({
  data: Type.Object({
    result: Type.Array(Type.Object({ metric: Type.Object({ alertname: Type.String() }) })),
  }),
});

/** The triggers of deploy/prometheus/alerts.yml. */
export const inPrometheus = (url: string): Check => {
  const query = new URLSearchParams({ query: 'ALERTS{rollback="true", alertstate="firing"}' });
  return async () => {
    const answer = await fetch(`${url.replace(/\/+$/, '')}/api/v1/query?${query}`, {
      signal: AbortSignal.timeout(CHECK_WITHIN_MS),
    });
    if (!answer.ok) throw new Error(`Prometheus answered ${answer.status}`);
    const { data } = Value.Parse(Firing, await answer.json());
    return [...new Set(data.result.map(({ metric }) => metric.alertname))];
  };
};

const Alarms = Type.Array(Type.Object({ AlarmName: Type.String(), StateValue: Type.String() }));
const Described = Type.Object({
  MetricAlarms: Type.Optional(Alarms),
  CompositeAlarms: Type.Optional(Alarms),
});

/** The triggers of deploy/aws, by the names of their alarms. */
export const inCloudWatch = (names: readonly string[]): Check => {
  const run = promisify(execFile);
  const types = ['--alarm-types', 'MetricAlarm', 'CompositeAlarm'];
  const args = ['cloudwatch', 'describe-alarms', '--output', 'json', ...types, '--alarm-names', ...names];
  return async () => {
    const { stdout } = await run('aws', args, { timeout: CHECK_WITHIN_MS });
    const described = Value.Parse(Described, JSON.parse(stdout));
    const alarms = [...(described.MetricAlarms ?? []), ...(described.CompositeAlarms ?? [])];
    const missing = names.filter((name) => !alarms.some(({ AlarmName }) => AlarmName === name));
    if (missing.length > 0) throw new Error(`CloudWatch knows no alarm ${missing.join(', ')}`);
    return alarms.filter(({ StateValue }) => StateValue === 'ALARM').map(({ AlarmName }) => AlarmName);
  };
};
