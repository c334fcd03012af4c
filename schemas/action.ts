import { type Static, Type } from '@sinclair/typebox';
import {
  ActionId,
  LeaderboardId,
  List,
  Points,
  PointsRange,
  Reason,
  ref,
  Time,
  Title,
  TokenId,
  UserId,
} from './common.js';

const ActionRules = {
  title: Title,
  points: PointsRange,
  leaderboards: Type.Array(LeaderboardId, { minItems: 1, maxItems: 16, uniqueItems: true }),
  issuer: Type.Union([Type.Literal('player'), Type.Literal('server')], {
    description: 'Who may request its tokens: players for themselves, or only trusted game servers.',
  }),
  minDurationMs: Type.Integer({
    minimum: 0,
    maximum: 86_400_000,
    description: 'The minimum duration of the action: a token is rejected sooner.',
  }),
  cooldownMs: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 86_400_000,
      description: 'Time after a score in which the same user cannot score with this action again.',
    }),
  ),
  dailyLimit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      description: 'How often a user can score with this action in a day (UTC).',
    }),
  ),
  maxRobustZ: Type.Optional(
    Type.Number({
      minimum: 3,
      maximum: 1_000,
      description:
        'An event is held whose points are farther from the median of the last 10,000 events of the action than this many robust standard deviations (1.4826 times the median distance, but at least 1 % of the median, and 1). Nothing is held before there are 100. Absent if points may be anything.',
      examples: [8],
    }),
  ),
  publicMetadata: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 64, pattern: '^[^\\x00]+$' }), {
      maxItems: 8,
      uniqueItems: true,
      description:
        'Keys of the `metadata` of its events that entries show, to everybody, as long as the action says so. Of their values, numbers, truth values and visible text of up to 256 characters. Absent from responses if there are none.',
      examples: [['car', 'replay']],
    }),
  ),
};
const EXAMPLE = {
  title: 'Finish a level',
  points: { min: 1, max: 100 },
  leaderboards: ['global'],
  issuer: 'player',
  minDurationMs: 1000,
};

const ACTION = { id: 'finish-level', ...EXAMPLE };
export const Action = Type.Object(
  { id: ActionId, ...ActionRules },
  { $id: 'Action', description: 'An action and its points.', examples: [ACTION] },
);
export type Action = Static<typeof Action>;
export const Actions = List(ref(Action), {
  $id: 'Actions',
  description: 'All actions.',
  examples: [{ items: [ACTION], nextCursor: null }],
});
export const ActionParams = Type.Object({ id: ActionId });
export const ActionDefinition = Type.Object(
  { ...ActionRules, reason: Type.Optional(Reason) },
  { additionalProperties: false, examples: [{ ...EXAMPLE, dailyLimit: 200, reason: 'Spring season.' }] },
);

export const ActionTokenRequest = Type.Object(
  {
    action: ActionId,
    userId: Type.Optional({
      ...UserId,
      description: 'The user of the token. Only for role `server`, which must set it.',
    }),
    points: Type.Optional({ ...Points, description: 'The exact points. Only for role `server`.' }),
  },
  { additionalProperties: false, examples: [{ action: 'collect-coin' }] },
);

export type ActionTokenRequest = Static<typeof ActionTokenRequest>;
export const ActionToken = Type.Object(
  {
    actionToken: Type.String(),
    tokenId: TokenId,
    action: ActionId,
    userId: UserId,
    points: PointsRange,
    notBefore: Time,
    expiresAt: Time,
  },
  {
    $id: 'ActionToken',
    description: 'A token for one finished action.',
    examples: [
      {
        actionToken:
          'eyJhbGciOiJIUzI1NiIsInR5cCI6ImFjdGlvbitqd3QifQ.eyJpc3MiOiJzY29yZWJvYXJkLWFwaSJ9.c2lnbmF0dXJl',
        tokenId: 'tok_01kcx7fz9pe1cb2rr1n9h2kq5x',
        action: 'collect-coin',
        userId: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb',
        points: { min: 10, max: 10 },
        notBefore: '2026-06-11T19:09:00.000Z',
        expiresAt: '2026-06-11T19:14:00.000Z',
      },
    ],
  },
);
export type ActionToken = Static<typeof ActionToken>;
