/** Saved queries of CloudWatch Logs Insights. The first two are the exact queries of the deployment specification. */
export const QUERIES = {
  'Find score update failures': `fields @timestamp, @message
| filter level = "error" and message like /score/
| sort @timestamp desc
| limit 100`,

  'Track action token rejections': `fields @timestamp, userId, @message
| filter level = "warn" and message like /token/
| stats count() by userId
| sort count desc`,

  'Slowest routes': `filter message = "Request completed" and data.path not like /stream/
| stats count() as requests, pct(data.durationMs, 50) as p50, pct(data.durationMs, 99) as p99 by data.method, data.path
| sort p99 desc
| limit 50`,

  'All of one request': `fields @timestamp, level, message, userId, @message
| filter requestId = "put the x-request-id here"
| sort @timestamp asc`,
} as const;
