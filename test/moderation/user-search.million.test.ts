import t from 'tap';
import type { UserFilter } from '../../src/moderation/user-search.js';
import { findUsers } from '../../src/moderation/user-search.js';
import { fromUuid } from '../../src/stored-ids.js';
import { buildTestDatabase } from '../helper.js';
import { openPool } from '../ledger/game-server.js';

const USERS = 1_000_000;
/** Of 8 KiB each: a page of users reads some of each index, and the rows of its users. */
const MOST_BUFFERS = 500;

/** Every name begins with one of 16 letters, one in 200,000 is Zorro; every second has a username; one in 1,000 is banned. */
const FILL = `
INSERT INTO users (id, display_name, username, password_hash, external_id, external_key, banned_at)
SELECT lpad(to_hex(n), 32, '0')::uuid,
       CASE WHEN n % 200000 = 0 THEN 'Z0rro ' || n ELSE initcap(left(md5(n::text), 8)) END,
       CASE WHEN n % 2 = 0 THEN 'player.' || n END, CASE WHEN n % 2 = 0 THEN 'x' END,
       'ext-' || n, sha256(('ext-' || n)::bytea), CASE WHEN n % 1000 = 0 THEN now() END
FROM generate_series(1, ${USERS}) n`;

const SEARCHES: readonly UserFilter[] = [
  {},
  { banned: true },
  { banned: false },
  { q: 'a' },
  { q: 'zor' },
  { q: 'nobody' },
  { q: 'player.77' },
  { q: 'p' },
  { q: 'p', banned: true },
  { q: 'a', banned: true },
  { q: 'zorro', banned: true },
  { q: 'c4', banned: false },
  { externalId: 'ext-4711' },
  { q: fromUuid('usr', '00000000-0000-0000-0000-0000000f0000') },
];

t.test('a page among a million users reads little, whatever is looked for', async (t) => {
  const pool = openPool(t, await buildTestDatabase(t));
  const { rows: indexes } = await pool.query<{ name: string; definition: string }>(
    "SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE tablename = 'users' AND indexname <> 'users_pkey'",
  );
  for (const { name } of indexes) await pool.query(`DROP INDEX ${name}`);
  await pool.query(FILL);
  for (const { definition } of indexes) await pool.query(definition);
  await pool.query('VACUUM ANALYZE users');
  /** The search, with what PostgreSQL does for it. */
  const explained: unknown[] = [];
  const explaining = {
    query: async (text: string, values: unknown[]) => {
      const { rows } = await pool.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`, values);
      explained.push(rows[0]['QUERY PLAN'][0]);
      return pool.query(text, values);
    },
  };
  for (const filter of SEARCHES) {
    let after: string | null = null;
    const seen = new Set<string>();
    for (let page = 0; page < 3; page++) {
      const users = await findUsers(explaining, filter, 100, after);
      for (const { id } of users) seen.add(id);
      const last = users.at(-1);
      const { Plan, 'Execution Time': ms } = Object(explained.at(-1));
      const buffers = Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks'];
      t.ok(buffers < MOST_BUFFERS, `${JSON.stringify(filter)}: ${buffers} buffers in ${ms} ms`);
      t.comment(
        `${JSON.stringify(filter)} page ${page}: ${users.length} users, ${buffers} buffers, ${ms} ms`,
      );
      if (users.length < 100 || last === undefined) break;
      after = `${last.id} ${last.key}`;
    }
    t.ok(seen.size > 0 || filter.q === 'nobody');
  }
});
