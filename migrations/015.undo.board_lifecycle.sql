LOCK TABLE leaderboards, score_events, scores IN ACCESS EXCLUSIVE MODE;
DROP INDEX scores_user_idx;
ALTER TABLE score_events ALTER boards DROP NOT NULL, DROP skipped;
DELETE FROM scores s USING leaderboards l WHERE s.leaderboard_id = l.id AND s.season <= l.removed_through;
DELETE FROM leaderboards WHERE removed_at IS NOT NULL;
DROP INDEX leaderboards_unpurged_idx;
DROP INDEX leaderboards_listed_idx;
ALTER TABLE leaderboards DROP purged_through, DROP removed_through, DROP removed_at, DROP hidden, DROP frozen_at;
