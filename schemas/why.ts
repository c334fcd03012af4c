import { type Static, Type } from '@sinclair/typebox';
import {
  AchievedAt,
  ActionId,
  AuditId,
  Cursor,
  EventId,
  EventStatus,
  LeaderboardId,
  Limit,
  NextCursor,
  Points,
  ref,
  Time,
  UserId,
} from './common.js';
import { OfSeason } from './leaderboard.js';
import { AdminEvent } from './moderation.js';

const ForAdministrators = 'Only for administrators.';
const Judgement = Type.Object(
  {
    status: EventStatus,
    at: Time,
    act: Type.Optional({ ...AuditId, description: ForAdministrators }),
    actor: Type.Optional(
      Type.String({ description: `The service account or user that did it. ${ForAdministrators}` }),
    ),
    actorName: Type.Optional(Type.String({ description: ForAdministrators })),
    reason: Type.Optional(Type.String({ description: ForAdministrators })),
  },
  { description: 'The event was held, or an administrator has released or voided it.' },
);

const WHY_EVENT = {
  eventId: 'evt_01kcx7g2c4f9f8r8w5w3v0y6hd',
  action: 'finish-level',
  points: 900,
  metadata: null,
  acceptedAt: '2026-06-11T19:09:00.000Z',
  status: 'counted',
  inScore: true,
  issuer: 'player',
  judgements: [
    { status: 'held', at: '2026-06-11T19:09:00.000Z' },
    { status: 'counted', at: '2026-06-11T20:00:00.000Z' },
  ],
};
export const WhyEvent = Type.Object(
  {
    eventId: EventId,
    action: ActionId,
    points: Points,
    metadata: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]),
    acceptedAt: Time,
    achievedAt: AchievedAt,
    status: EventStatus,
    inScore: Type.Boolean({
      description:
        'Whether the score is made of it: by `increment` each event that counts, otherwise the one whose points stand.',
    }),
    issuer: Type.Union([Type.Literal('player'), Type.Literal('server')], {
      description: 'Who has asked for its action token, or minted it.',
    }),
    issuedBy: Type.Optional({
      ...AdminEvent.properties.issuedBy,
      description: `${AdminEvent.properties.issuedBy.description} ${ForAdministrators}`,
    }),
    signingKey: Type.Optional(AdminEvent.properties.signingKey),
    heldBecause: Type.Optional(AdminEvent.properties.heldBecause),
    judgements: Type.Array(Judgement, { description: 'What was decided about it, in the order of time.' }),
  },
  { $id: 'WhyEvent', description: 'An event of a user on a leaderboard.', examples: [WHY_EVENT] },
);
export type WhyEvent = Static<typeof WhyEvent>;

export const Why = Type.Object(
  {
    leaderboard: LeaderboardId,
    season: Type.Integer(),
    userId: UserId,
    operator: Type.Union([Type.Literal('increment'), Type.Literal('best'), Type.Literal('latest')]),
    score: Type.Unsafe<number | null>({
      anyOf: [Points, Type.Null()],
      description: 'The score that stands. Null if the user is not on the board.',
    }),
    archived: Type.Unsafe<{ points: number; achievedAt: string } | null>({
      anyOf: [Type.Object({ points: Points, achievedAt: Time }), Type.Null()],
      description:
        'What the events make together that are no longer in the ledger (`EVENTS_RETENTION`): their sum, the best or the latest of them. Null if there are none.',
    }),
    items: Type.Array(ref(WhyEvent)),
    nextCursor: NextCursor,
  },
  {
    $id: 'Why',
    description: 'The events that a score is made of, newest first, with those that are held or voided.',
    examples: [
      {
        leaderboard: 'global',
        season: 1,
        userId: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb',
        operator: 'increment',
        score: 900,
        archived: null,
        items: [WHY_EVENT],
        nextCursor: null,
      },
    ],
  },
);
export type Why = Static<typeof Why>;
export const WhyQuery = Type.Object({ ...OfSeason, limit: Limit(20), cursor: Type.Optional(Cursor) });
