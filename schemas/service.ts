import { type Static, Type } from '@sinclair/typebox';

const Check = Type.Union([Type.Literal('ok'), Type.Literal('error'), Type.Literal('disabled')]);

export const Health = Type.Object(
  {
    status: Type.Union([Type.Literal('ok'), Type.Literal('degraded')]),
    checks: Type.Object({ database: Check, redis: Check }),
  },
  { $id: 'Health', examples: [{ status: 'ok', checks: { database: 'ok', redis: 'disabled' } }] },
);
export type Health = Static<typeof Health>;

export const Liveness = Type.Object(
  { status: Type.Literal('ok') },
  { $id: 'Liveness', examples: [{ status: 'ok' }] },
);
