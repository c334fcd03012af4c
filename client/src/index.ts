export type { ActionEvent, ActionOptions, BegunAction, Receipt } from './actions.js';
export type { components, paths } from './api.js';
export { type Client, type ClientOptions, createClient, type ReadOptions } from './client.js';
export { type Answer, ask, type Http, type HttpOptions, httpOf } from './http.js';
export {
  type Entries,
  type Entry,
  type EntryDetails,
  type FriendEntries,
  type Histogram,
  type Leaderboard,
  type LeaderboardOptions,
  leaderboardOf,
  type Position,
  type RankOf,
  type ScoreAt,
  type Season,
  type Seasons,
  type UserEntries,
  type Why,
} from './leaderboard.js';
export {
  type Board,
  type EventSourceClass,
  type FinalStandings,
  type LiveOptions,
  type LiveState,
  type LiveView,
  type SeasonStart,
  type Standing,
  subscribe,
} from './live/subscription.js';
export type { PendingAction } from './offline-queue.js';
export { type ErrorCode, type ProblemCode, ScoreboardError } from './problem.js';
export type { Account, Credentials, User } from './session.js';
export type { KeyValueStorage } from './storage.js';
