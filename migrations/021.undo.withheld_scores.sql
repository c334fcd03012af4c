DROP INDEX users_banned_idx;
UPDATE scores s
SET score = withheld_score, sort_key = CASE l.sort WHEN 'desc' THEN -withheld_score ELSE withheld_score END,
    achieved_at = withheld_at, withheld_score = NULL, withheld_at = NULL, version = version + 1
FROM leaderboards l
WHERE l.id = s.leaderboard_id AND withheld_score IS NOT NULL;
ALTER TABLE scores DROP withheld_at, DROP withheld_score;
