/**
 * How long after its end a season is closed, in milliseconds: longer than a submission is tried again, whose time is that of its
 * arrival. Tokens that count in the season in which they were issued have their grace besides.
 */
export const SETTLE_MS = 10_000;

/**
 * SQL: whether the season of the row `s`, of the leaderboard `l`, takes nothing more.
 * @param settleMs a parameter, as SQL
 */
export const isSettled = (settleMs: string): string => `
s.ends_at + (${settleMs} + CASE l.late_tokens WHEN 'issued' THEN l.grace_ms ELSE 0 END) * interval '1 millisecond' <= clock_timestamp()`;
