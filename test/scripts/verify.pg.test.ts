import t from 'tap';
import { freePort } from '../../dev/free-port.js';
import { buildTestDatabase } from '../helper.js';
import { close, endSeason, seasonRow } from '../ledger/final-seasons.js';
import { openPool, prepare } from '../ledger/game-server.js';
import { newLedger, submission } from '../ledger/ledgers.js';
import { differencesAt } from '../ledger/old-months.js';
import { statement } from '../operations/runbook.js';
import { verify, verifyWithin } from '../verify.js';

/** Events of one user, and a heap that could not hold them all. */
const MANY = 100_000;
const HEAP_MB = 24;
const DIFFERENCE = /^(\S+):1 (usr_\w+): stored is .*; the ledger says (\d+) since (\S+)$/;

t.test('it says what was verified, and what differs', async (t) => {
  const url = await buildTestDatabase(t);
  const users = await prepare(url, 30);
  const pool = openPool(t, url);
  const { ledger } = newLedger(pool);
  await Promise.all(users.map((user) => ledger.record(submission(user, 10))));

  const clean = await verify(url);
  t.match(clean, { code: 0, error: '' });
  t.match(
    clean.out,
    /^Verified 3 boards, 90 entries, 30 events, 30 consumed tokens, as they were at 2\S+Z, in \d+\.\d s\.\nAll scores equal the ledger\.\n$/,
  );

  await pool.query(`UPDATE scores SET score = score + 1 WHERE leaderboard_id = 'best-race'`);
  const wrong = await verify(url);
  t.match(wrong, { code: 1, error: '' });
  const lines = wrong.out.trimEnd().split('\n');
  t.equal(lines.length, 20 + 3);
  t.match(lines[0], /^best-race:1 usr_\w+: stored is 11 since \S+Z, and .*; the ledger says 10 since \S+Z$/);
  t.match(lines.slice(20), [
    '… and 10 more differences',
    /^Verified 3 boards, /,
    /^30 differences\. See docs\//,
  ]);
  t.match(await verify(url, '--board', 'global', '--season', '1'), {
    code: 0,
    out: /^Verified 1 board, 30 entries, 30 events, as they were/,
  });
  t.match(await verify(url, '--board', 'best-race', '--show', '0'), {
    code: 1,
    out: /^… and 30 more differences\nVerified 1 board/,
  });

  // The correction of the runbook.
  for (const line of (await verify(url, '--show', '1000')).out.split('\n')) {
    const [, board, user, score, since] = DIFFERENCE.exec(line) ?? [];
    if (user === undefined) continue;
    const values = {
      "'usr_…'": `'${user}'`,
      "'global'": `'${board}'`,
      '240': score,
      '2026-11-29T09:58:12.345Z': since,
    };
    const correction = Object.entries(values).reduce(
      (sql, [example, value = '']) => sql.replaceAll(example, value),
      statement('BEGIN;'),
    );
    await pool.query(correction);
  }
  t.match(await verify(url), { code: 0, out: /\nAll scores equal the ledger\.\n$/ });

  t.match(await verify(url, '--board', 'nowhere'), {
    code: 2,
    out: '',
    error: 'There is no leaderboard "nowhere".\n',
  });
  t.match(await verify(url, '--board', 'global', '--season', '2'), {
    code: 2,
    out: '',
    error: 'The leaderboard "global" has no season 2, or its scores are deleted.\n',
  });
});

t.test('its memory does not grow with the events of the ledger, nor with those of a user', async (t) => {
  const url = await buildTestDatabase(t);
  const users = await prepare(url, 1);
  const pool = openPool(t, url);
  // Two days ago: no token of theirs is remembered.
  await pool.query(
    `WITH recorded AS (
       INSERT INTO score_events (id, user_id, token_id, action_id, points, accepted_at, boards)
       SELECT (lpad(to_hex(ms), 12, '0') || '7000' || lpad(to_hex(n), 16, '8'))::uuid, uuid_of($1), gen_random_uuid(), 'old', 1,
              to_timestamp(ms / 1000.0), '{"global": 1}'
       FROM generate_series(1, $2::int) n, LATERAL (SELECT $3::bigint + n AS ms) e
       RETURNING points, accepted_at)
     INSERT INTO scores (leaderboard_id, season, user_id, score, sort_key, achieved_at, version)
     SELECT 'global', 1, uuid_of($1), sum(points), -sum(points), max(accepted_at), 1 FROM recorded`,
    [users[0], MANY, Date.now() - 2 * 86_400_000],
  );
  t.match(await verifyWithin(HEAP_MB, url), { code: 0, out: /^Verified 1 board, 1 entry, 100,000 events, / });
});

t.test('it makes the digests of final seasons again', async (t) => {
  const url = await buildTestDatabase(t);
  const users = await prepare(url, 10);
  const pool = openPool(t, url);
  const { ledger } = newLedger(pool);
  for (const [i, user] of users.entries()) await ledger.record(submission(user, i));
  for (const board of ['global', 'latest-race']) {
    await endSeason(pool, board);
    await close(pool, board);
  }
  t.same(await differencesAt(url), []);
  const { digest } = await seasonRow(pool, 'latest-race');
  await pool.query(
    "UPDATE seasons SET digest = 'forged', entries = 9 WHERE leaderboard_id = 'latest-race' AND season = 1",
  );
  await pool.query("DELETE FROM season_marks WHERE leaderboard_id = 'global' AND rank = 3");
  await pool.query("UPDATE season_marks SET rank = 5 WHERE leaderboard_id = 'global' AND rank = 6");
  const found = await verify(url);
  t.match(found, { code: 1 });
  t.match(found.out.split('\n'), [
    'global:1: stored is 2 marks; the ledger says that 1 of them are in their place',
    `latest-race:1: stored is the digest forged of 9 entries; the ledger says the digest ${digest} of 10 entries`,
    /, the digests of 2 final seasons, as they were/,
    /^2 differences/,
  ]);
  // The correction of the runbook.
  for (const board of ['global', 'latest-race']) {
    await pool.query(statement('WITH forgotten').replaceAll("'global'", `'${board}'`));
    await close(pool, board);
  }
  t.same(await differencesAt(url), []);
  t.match(await seasonRow(pool), { revision: 2 });
});

t.test('what keeps it from verifying is one line, and another exit code', async (t) => {
  const nobody = `postgres://postgres@127.0.0.1:${await freePort()}/scoreboard`;
  t.match(await verify(nobody), {
    code: 2,
    out: '',
    error: /^Cannot reach PostgreSQL at DATABASE_URL .*\n$/,
  });
  const empty = await buildTestDatabase(t, 'template0');
  t.match(await verify(empty), {
    code: 2,
    out: '',
    error: /^The scores could not be verified.* relation "score_events" does not exist\n$/,
  });
  for (const options of [
    ['--season', '1'],
    ['--bord', 'x'],
  ])
    t.match(
      await verify(nobody, ...options),
      { code: 2, out: '', error: /^Recounts every score/ },
      options.join(' '),
    );
});
