import { type Static, Type } from '@sinclair/typebox';

const Check = Type.Union([Type.Literal('ok'), Type.Literal('error'), Type.Literal('disabled')]);

export const Health = Type.Object(
  {
    status: Type.Union([Type.Literal('ok'), Type.Literal('degraded')]),
    checks: Type.Object({ database: Check, redis: Check }),
  },
  {
    $id: 'Health',
    description: 'The state of PostgreSQL and Redis.',
    examples: [{ status: 'ok', checks: { database: 'ok', redis: 'disabled' } }],
  },
);
export type Health = Static<typeof Health>;

export const MetricsText = Type.String({
  description: 'The Prometheus text format.',
  examples: ['# TYPE sse_connections_active gauge\nsse_connections_active 17\n'],
});

export const Readiness = Type.Object(
  { status: Type.Union([Type.Literal('ok'), Type.Literal('unavailable')]) },
  { $id: 'Readiness', description: 'Whether this instance takes requests.', examples: [{ status: 'ok' }] },
);

export const Liveness = Type.Object(
  { status: Type.Literal('ok') },
  { $id: 'Liveness', description: 'The process runs.', examples: [{ status: 'ok' }] },
);
