import { type Static, Type } from '@sinclair/typebox';
import {
  AuditId,
  defaulted,
  EventId,
  EventStatus,
  LeaderboardId,
  SeasonNumber,
  SessionId,
  Time,
  UserId,
} from './common.js';

const nullableTime = Type.Unsafe<string | null>({ anyOf: [Time, Type.Null()] });
const nullableText = Type.Unsafe<string | null>({ anyOf: [Type.String(), Type.Null()] });
const Moment = Type.String({ format: 'date-time', examples: ['2026-06-11T19:00:00.000Z'] });

const Format = defaulted(
  Type.Union([Type.Literal('csv'), Type.Literal('ndjson')], {
    default: 'csv',
    description: 'A text in CSV that a spreadsheet would take for a formula begins with an apostrophe.',
  }),
);
export const ExportQuery = Type.Object({
  board: LeaderboardId,
  season: Type.Optional({ ...SeasonNumber, description: 'By default the current one.' }),
  format: Format,
  after: defaulted(
    Type.Integer({
      minimum: 0,
      default: 0,
      description: 'Of a season that is final: goes on behind this rank.',
    }),
  ),
});
export const EventExportQuery = Type.Object({
  from: Type.Unsafe<string>({ ...Moment, description: 'Events accepted at this time or later.' }),
  to: Type.Optional(
    Type.Unsafe<string>({
      ...Moment,
      description: 'Events accepted before this time; by default ten seconds ago.',
    }),
  ),
  board: Type.Optional({ ...LeaderboardId, description: 'Only events that count on this leaderboard.' }),
  format: Format,
  after: Type.Optional({
    ...EventId,
    description: 'Goes on behind this event, of an export with the same `to`.',
  }),
});

const PLAYER = {
  exportedAt: '2026-06-11T19:10:00.000Z',
  user: {
    id: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb',
    displayName: 'Ada',
    username: null,
    externalId: 'player-4711',
    role: 'player',
    createdAt: '2026-06-11T19:00:00.000Z',
    bannedAt: null,
  },
  sessions: [],
  entries: [{ leaderboard: 'global', season: 1, score: 900, achievedAt: '2026-06-11T19:09:00.000Z' }],
  archived: [],
  events: [
    {
      eventId: 'evt_01kcx7g2c4f9f8r8w5w3v0y6hd',
      action: 'finish-level',
      points: 900,
      acceptedAt: '2026-06-11T19:09:00.000Z',
      achievedAt: null,
      status: 'counted',
      boards: { global: 1 },
      metadata: null,
    },
  ],
};
export const PlayerExport = Type.Object(
  {
    exportedAt: Type.Unsafe<string>({ ...Time, description: 'All of it is of this moment.' }),
    user: Type.Object({
      id: UserId,
      displayName: Type.String(),
      username: nullableText,
      externalId: nullableText,
      role: Type.String(),
      createdAt: Time,
      bannedAt: nullableTime,
    }),
    sessions: Type.Array(
      Type.Object({
        id: SessionId,
        createdAt: Time,
        refreshedAt: Time,
        expiresAt: Time,
        revokedAt: nullableTime,
      }),
    ),
    entries: Type.Array(
      Type.Object({
        leaderboard: LeaderboardId,
        season: SeasonNumber,
        score: Type.Integer(),
        achievedAt: Time,
      }),
    ),
    archived: Type.Array(
      Type.Object({
        leaderboard: LeaderboardId,
        season: SeasonNumber,
        points: Type.Number(),
        achievedAt: Time,
      }),
      { description: 'What events that were archived still count for.' },
    ),
    acts: Type.Optional(
      Type.Array(
        Type.Object({
          id: AuditId,
          at: Time,
          actor: Type.String(),
          action: Type.String(),
          reason: nullableText,
          details: Type.Record(Type.String(), Type.Unknown()),
        }),
        { description: 'What administrators have done about the user. Only for administrators.' },
      ),
    ),
    events: Type.Array(
      Type.Object({
        eventId: EventId,
        action: Type.String(),
        points: Type.Integer(),
        acceptedAt: Time,
        achievedAt: nullableTime,
        status: EventStatus,
        boards: Type.Record(Type.String(), Type.Integer()),
        metadata: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]),
      }),
    ),
  },
  { $id: 'PlayerExport', description: 'Everything that is kept about a player.', examples: [PLAYER] },
);
export type PlayerExport = Static<typeof PlayerExport>;

/** The response of an export that is text. */
export const exported = (csv: string, ndjson: string) => ({
  description: 'All of it is of the moment that the header `x-export-at` names.',
  headers: { 'x-export-at': { description: 'The moment of the export.', ...Time } },
  content: {
    'text/csv': { schema: Type.Unsafe<unknown>({ type: 'string' }), example: csv },
    'application/x-ndjson': { schema: Type.Unsafe<unknown>({ type: 'string' }), example: ndjson },
  },
});
