// Runs before the migrations, in the image of the service, as the administrator of the database: creates the role that owns
// the schema. Later only Secrets Manager changes its password.
import { format } from 'node:util';
import pg from 'pg';

const { DATABASE_URL, OWNER = '', OWNER_PASSWORD = '' } = process.env;
const owner = pg.escapeIdentifier(OWNER);
const client = new pg.Client({ connectionString: DATABASE_URL, connectionTimeoutMillis: 10_000 });
await client.connect();
try {
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [OWNER]);
  if (rowCount === 0) {
    await client.query(format('CREATE ROLE %s LOGIN PASSWORD %s', owner, pg.escapeLiteral(OWNER_PASSWORD)));
  }
  await client.query(format('GRANT ALL ON SCHEMA public TO %s', owner));
  // The migrations make a schema of their own for background jobs.
  const { rows } = await client.query('SELECT current_database() AS name');
  await client.query(format('GRANT CREATE ON DATABASE %s TO %s', pg.escapeIdentifier(rows[0].name), owner));
} finally {
  await client.end();
}
