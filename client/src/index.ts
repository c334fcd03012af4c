export type { components, paths } from './api.js';
export {
  type Entries,
  type Entry,
  type EntryDetails,
  type FriendEntries,
  type Leaderboard,
  type LeaderboardOptions,
  leaderboardOf,
} from './leaderboard.js';
export {
  type Board,
  type EventSourceClass,
  type LiveOptions,
  type LiveState,
  type LiveView,
  type Standing,
  subscribe,
} from './live/subscription.js';
export { type ErrorCode, type ProblemCode, ScoreboardError } from './problem.js';
