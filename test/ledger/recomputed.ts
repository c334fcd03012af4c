import type pg from 'pg';
import type { Test } from 'tap';

interface Standing {
  readonly score: number;
  /** In milliseconds since 1970. */
  readonly achievedAt: number;
}

/** What the ledger says of every board, by doing one counted event after the other: by `<board>:<season> <user>`. */
async function recomputed(pool: pg.Pool, table = 'score_events'): Promise<Map<string, Standing>> {
  const { rows: boards } = await pool.query<{ id: string; sort: string; operator: string; through: number }>(
    'SELECT id, sort, operator, removed_through AS through FROM leaderboards',
  );
  const { rows: events } = await pool.query<[user: string, points: number, at: number, seasons: string]>({
    text: `SELECT e.user_id, e.points, extract(epoch FROM coalesce(e.achieved_at, e.accepted_at))::float8 * 1000, e.boards::text
           FROM ${table} e JOIN users u ON u.id = e.user_id AND u.erased_at IS NULL
           WHERE e.status = 'counted' ORDER BY e.accepted_at, e.id`,
    rowMode: 'array',
  });
  const standings = new Map<string, Standing>();
  const seasonsOf = new Map<string, Record<string, number>>();
  for (const [user, points, at, text] of events) {
    const seasons = seasonsOf.get(text) ?? (JSON.parse(text) as Record<string, number>);
    seasonsOf.set(text, seasons);
    for (const { id, sort, operator, through } of boards) {
      const season = seasons[id];
      if (season === undefined || season <= through) continue;
      const key = `${id}:${season} ${user}`;
      const known = standings.get(key);
      const isBetter = known === undefined || (sort === 'desc' ? points > known.score : points < known.score);
      const score =
        operator === 'increment'
          ? (known?.score ?? 0) + points
          : operator === 'latest' || isBetter
            ? points
            : known.score;
      if (score !== known?.score) standings.set(key, { score, achievedAt: Math.round(at) });
    }
  }
  return standings;
}

/** Gives the boards of a ledger that a test has written by itself the scores that it says. */
export async function recompute(pool: pg.Pool): Promise<void> {
  const rows = [...(await recomputed(pool))];
  const parts = rows.map(([key]) => key.split(/[: ]/));
  await pool.query(
    `INSERT INTO scores
     SELECT l.id, r.season, r.user_id, r.score, CASE l.sort WHEN 'desc' THEN -r.score ELSE r.score END,
            to_timestamp(r.at / 1000), 1
     FROM unnest($1::text[], $2::int[], $3::uuid[], $4::bigint[], $5::float8[]) r (id, season, user_id, score, at)
     JOIN leaderboards l ON l.id = r.id`,
    [
      ...[0, 1, 2].map((i) => parts.map((part) => part[i])),
      rows.map(([, { score }]) => score),
      rows.map(([, { achievedAt }]) => achievedAt),
    ],
  );
}

/** The scores of all boards are what a recomputation of everything says. @param table that has all events */
export async function equalsRecomputed(t: Test, pool: pg.Pool, table?: string): Promise<void> {
  const { rows } = await pool.query<{ key: string; score: number; at: number; sorted: boolean }>(
    `SELECT leaderboard_id || ':' || s.season || ' ' || user_id AS key, score,
            round(extract(epoch FROM achieved_at) * 1000)::float8 AS at,
            sort_key = CASE sort WHEN 'desc' THEN -score ELSE score END AS sorted
     FROM scores s JOIN leaderboards l ON l.id = leaderboard_id WHERE score IS NOT NULL`,
  );
  const found = new Map(rows.map(({ key, score, at }) => [key, { score, achievedAt: at }]));
  const wanted = await recomputed(pool, table);
  const wrong = [...new Set([...found.keys(), ...wanted.keys()])]
    .map((key) => ({ key, found: found.get(key), wanted: wanted.get(key) }))
    .filter(
      ({ found, wanted }) => found?.score !== wanted?.score || found?.achievedAt !== wanted?.achievedAt,
    );
  t.same(wrong.slice(0, 10), [], 'the boards say what the ledger says');
  t.ok(rows.every(({ sorted }) => sorted));
}
