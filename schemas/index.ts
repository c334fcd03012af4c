import { Action, Actions, ActionToken } from './action.js';
import { ModeratedUserDetails, ModeratedUsers } from './admin-user.js';
import { AdminSession } from './administrator.js';
import { PlayerExport } from './export.js';
import { Import, Imports } from './import.js';
import {
  Entries,
  Entry,
  EntryDetails,
  ExternalFriendEntries,
  ExternalFriendEntry,
  FriendEntries,
  FriendEntry,
  Leaderboard,
  Leaderboards,
  PlannedLeaderboard,
  PlannedSeason,
} from './leaderboard.js';
import {
  Act,
  AdminEvent,
  AdminEvents,
  AuditEntry,
  AuditTrail,
  HeldBecause,
  ModeratedUser,
  VoidPreview,
} from './moderation.js';
import { Overview } from './overview.js';
import { Histogram, RankOf, ScoreAt, UserEntries, UserEntry } from './position.js';
import { OAuthProblem, ProblemDocument } from './problem.js';
import { Schedule } from './schedule.js';
import {
  BatchedScore,
  BatchedScores,
  BoardResult,
  MintedScore,
  Receipt,
  RedeemedScore,
  SkippedBoard,
} from './score.js';
import { FinalPlace, FinalPlaces, Season, SeasonSpan, Seasons } from './season.js';
import { Health, Liveness, Readiness } from './service.js';
import { ServiceAccount, ServiceAccountSecret, ServiceAccounts } from './service-account.js';
import { ServiceToken, Session } from './session.js';
import { Unit } from './unit.js';
import { ActionsUsage, LeaderboardsUsage } from './usage.js';
import { BatchedUser, BatchedUsers, PublicUser, ScoreEvent, ScoreEvents, User } from './user.js';
import { Replayed, Webhook, WebhookDeliveries, WebhookDelivery, WebhookSecret, Webhooks } from './webhook.js';
import { Why, WhyEvent } from './why.js';

/** The schemas that have a name in the OpenAPI document, those that others refer to first. */
export const NAMED_SCHEMAS = [
  ProblemDocument,
  OAuthProblem,
  User,
  PublicUser,
  BatchedUser,
  BatchedUsers,
  Session,
  ServiceToken,
  AdminSession,
  ServiceAccount,
  ServiceAccountSecret,
  ServiceAccounts,
  ScoreEvent,
  ScoreEvents,
  Action,
  Actions,
  ActionToken,
  BoardResult,
  SkippedBoard,
  Receipt,
  RedeemedScore,
  MintedScore,
  BatchedScore,
  BatchedScores,
  Schedule,
  Unit,
  Leaderboard,
  Leaderboards,
  PlannedSeason,
  PlannedLeaderboard,
  LeaderboardsUsage,
  ActionsUsage,
  Entry,
  Entries,
  EntryDetails,
  FriendEntry,
  FriendEntries,
  ExternalFriendEntry,
  ExternalFriendEntries,
  RankOf,
  ScoreAt,
  Histogram,
  UserEntry,
  UserEntries,
  Season,
  Seasons,
  SeasonSpan,
  FinalPlace,
  FinalPlaces,
  HeldBecause,
  AdminEvent,
  AdminEvents,
  Act,
  VoidPreview,
  WhyEvent,
  Why,
  ModeratedUser,
  ModeratedUsers,
  AuditEntry,
  ModeratedUserDetails,
  AuditTrail,
  Webhook,
  Webhooks,
  Import,
  Imports,
  PlayerExport,
  WebhookSecret,
  WebhookDelivery,
  WebhookDeliveries,
  Replayed,
  Overview,
  Health,
  Liveness,
  Readiness,
];
