import {
  AggregatorRegistry,
  type MetricObjectWithValues,
  type MetricValue,
  type Registry,
} from 'prom-client';

type Metric = MetricObjectWithValues<MetricValue<string>>;
/** What a process has measured, as prom-client gives it: each metric with how it adds up. */
export type MetricsReport = Metric[];

/** Whether this is what `reportOf()` of another process has become on its way. A worker that is just starting has none. */
export const isMetricsReport = (report: unknown): report is MetricsReport => Array.isArray(report);

export const reportOf = (registry: Registry): Promise<MetricsReport> => registry.getMetricsAsJSON();

/** The metrics of several processes as those of one, in the text format of Prometheus. */
export const textOf = (reports: readonly MetricsReport[]): Promise<string> =>
  AggregatorRegistry.aggregate([...reports]).metrics();

/**
 * What processes that have ended had counted. Without it a sum of counters would fall when one ends, and Prometheus takes a counter that
 * falls for one that has begun anew.
 */
export async function addEnded(ended: MetricsReport, report: MetricsReport): Promise<MetricsReport> {
  const counts = report.filter(({ type }) => String(type) !== 'gauge');
  return AggregatorRegistry.aggregate([ended, counts]).getMetricsAsJSON();
}
